#pragma once

#include <optional>

#include "absl/status/status.h"
#include "mapreduce/cluster/owner_queue.h"
#include "mapreduce/cluster/worker_metrics.h"
#include "rpc/server.h"

namespace trireme::mapreduce::cluster {

/// What a worker's --http serves: /metrics, and /healthz, which answers for as long as the thread
/// that owns the worker does.
class WorkerPages {
 public:
  /// `counts` and `owner` outlive this. Nothing is served without an address.
  [[nodiscard]] absl::Status Start(const std::optional<rpc::Address>& on,
                                   const WorkerCounts& counts, const WorkerFacts& facts,
                                   OwnerQueue& owner);
  /// The port filled in.
  const std::optional<rpc::Address>& address() const { return address_; }
  void Stop() { server_.Stop(); }

 private:
  rpc::Server server_;
  std::optional<rpc::Address> address_;
};

}  // namespace trireme::mapreduce::cluster
