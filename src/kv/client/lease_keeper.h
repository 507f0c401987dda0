#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <trireme/kv.h>
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "etcd/rpc.trireme.h"
#include "kv/client/core.h"
#include "kv/client/held_lease.h"

namespace trireme::kv::internal {

/// Grants leases and renews all of the client's over one stream. On the loop thread.
class LeaseKeeper final : public rpc::Loop::Timer {
 public:
  using Granted = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<HeldLease>>)>;

  explicit LeaseKeeper(Core& core) : core_(core) {}

  void Grant(absl::Duration ttl, absl::Duration timeout, Granted done);
  /// Renews it no more.
  void Forget(LeaseId id);
  /// The client ends: every lease is lost.
  void Stop();

 private:
  using Clock = rpc::Loop::Clock;
  using Request = etcdserverpb::LeaseKeepAliveRequest;
  using Reply = etcdserverpb::LeaseKeepAliveResponse;

  struct Entry {
    std::shared_ptr<HeldLease> lease;
    std::optional<Clock::time_point> sent_at;  // Of a renewal that is not answered yet.
    Clock::time_point next_step;               // As in steps_.
  };
  class Handler;

  void OnTimer() override;
  void Keep(std::shared_ptr<HeldLease> lease, Clock::time_point sent_at);
  void Schedule(std::int64_t id, Entry& entry, Clock::time_point when);
  void Rearm();
  void Step(std::int64_t id, Clock::time_point now);
  void Renew(std::int64_t id, Entry& entry, Clock::time_point now);
  void Lose(std::int64_t id);
  void OpenStream();
  void CloseStream();
  void OnReply(const Reply& reply);
  void OnStreamOver(int generation);

  Core& core_;
  std::map<std::int64_t, Entry> leases_;
  std::set<std::pair<Clock::time_point, std::int64_t>>
      steps_;  // What is to be done next, and when.
  std::optional<rpc::AsyncStream<Request>> stream_;
  std::size_t endpoint_ = 0;  // Of stream_.
  int generation_ = 0;        // Of stream_: what an older one says no longer counts.
  int failures_ = 0;          // Streams since the last reply.
  Clock::time_point closed_until_{};
};

}  // namespace trireme::kv::internal
