#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "mapreduce/cluster/owner_queue.h"
#include "rpc/address.h"
#include "rpc/channel.h"
#include "trireme/mapreduce/v1/control.trireme.h"

namespace trireme::mapreduce::cluster {

/// Waits between two tries to reach the coordinator: doubled from the first to the second.
inline constexpr std::int64_t kAttachDelayMinMs = 50;
inline constexpr std::int64_t kAttachDelayMaxMs = 1'000;
/// The same where a KV says who leads: that one is there, or will be at once.
inline constexpr std::int64_t kLeaderAttachDelayMaxMs = 200;
/// The lease until the coordinator has told its own.
inline constexpr std::int64_t kFirstLeaseMs = 3'000;

/// A worker's stream to the coordinator, made again whenever it is lost or silent. All methods and
/// callbacks are the owner thread's; the events come to it through its queue.
class CoordinatorLink {
 public:
  struct Callbacks {
    /// The stream is there: say who you are.
    std::function<void()> on_attached;
    std::function<void(v1::WorkerOrder)> on_order;
    std::function<void(const absl::Status&)> on_lost;
  };

  /// Tries the addresses in turn. None: waits for SetAddresses.
  CoordinatorLink(std::vector<rpc::Address> addresses, OwnerQueue* owner, Callbacks callbacks);
  ~CoordinatorLink();
  CoordinatorLink(const CoordinatorLink&) = delete;
  CoordinatorLink& operator=(const CoordinatorLink&) = delete;

  /// Attaches when it is time to, and gives up a stream on which nothing came for a lease.
  void Tick(std::int64_t now_ms);
  /// False when there is no stream: the message is dropped.
  bool Send(const v1::WorkerMessage& message);
  /// Another coordinator leads: attaches there with the next Tick.
  void SetAddresses(std::vector<rpc::Address> addresses);
  void set_lease_ms(std::int64_t lease_ms) { lease_ms_ = lease_ms; }
  bool attached() const { return stream_.has_value(); }

 private:
  class Handler;
  void Attach(std::int64_t now_ms);
  void Drop(const absl::Status& why);
  void OnOrder(std::uint64_t generation, v1::WorkerOrder order);
  void OnDone(std::uint64_t generation, const absl::Status& status,
              const std::vector<rpc::Address>& hint);

  const std::vector<rpc::Address> configured_;
  std::vector<rpc::Address> addresses_;
  std::size_t next_address_ = 0;
  std::int64_t delay_max_ms_ = kAttachDelayMaxMs;
  OwnerQueue* const owner_;
  const Callbacks callbacks_;
  std::shared_ptr<rpc::Channel> channel_;
  std::optional<rpc::AsyncStream<v1::WorkerMessage>> stream_;
  std::uint64_t generation_ = 0;  ///< of the stream; events of older ones mean nothing
  std::int64_t lease_ms_ = kFirstLeaseMs;
  std::int64_t heard_ms_ = 0;
  std::int64_t now_ms_ = 0;
  std::int64_t next_try_ms_ = 0;
  std::int64_t delay_ms_ = kAttachDelayMinMs;
};

}  // namespace trireme::mapreduce::cluster
