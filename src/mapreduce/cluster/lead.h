#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <trireme/kv.h>
#include "absl/status/status.h"

namespace trireme::mapreduce::cluster {

/// A coordinator's leadership, as what it does to files asks for it. Thread-safe.
class Lead {
 public:
  /// `client` outlives it.
  Lead(kv::Client* client, std::shared_ptr<kv::Leadership> leadership)
      : client_(*client), leadership_(std::move(leadership)) {}

  /// By this machine's clock; see kv::Lease.
  bool Held() const { return leadership_->held(); }
  /// By the KV's word; waits for it while Held(). CANCELLED: another leads.
  [[nodiscard]] absl::Status Confirm() const;
  std::int64_t fence() const { return leadership_->token().value; }

 private:
  kv::Client& client_;
  const std::shared_ptr<kv::Leadership> leadership_;
};

}  // namespace trireme::mapreduce::cluster
