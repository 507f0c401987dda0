#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>

#include <trireme/kv.h>
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "kv/client/core.h"

namespace trireme::kv::internal {

/// One lease of this client, shared by its handle and the keeper that renews it. Thread-safe.
class HeldLease : public std::enable_shared_from_this<HeldLease> {
 public:
  using Clock = rpc::Loop::Clock;

  /// `sent_at`: before the request that granted it was sent.
  HeldLease(std::shared_ptr<Core> core, LeaseId id, absl::Duration ttl, Clock::time_point sent_at);

  LeaseId id() const { return id_; }
  absl::Duration ttl() const { return ttl_; }
  bool alive() const;
  bool WaitLost(absl::Duration timeout) const;
  void OnLost(absl::AnyInvocable<void()> callback);
  absl::Status Revoke(absl::Duration timeout);
  /// Revokes without waiting; nothing when it is over already.
  void Abandon();

  // By the keeper, on the loop thread.

  /// When the lease counts as lost unless it is renewed.
  Clock::time_point deadline() const;
  void Renewed(Clock::time_point sent_at);
  void Lose();

 private:
  enum class State { kAlive, kLost, kRevoked };

  static Clock::time_point DeadlineFrom(Clock::time_point sent_at, absl::Duration ttl);
  bool End(State state);
  CallPlan RevocationPlan(absl::Duration timeout) const;

  const std::shared_ptr<Core> core_;
  const LeaseId id_;
  const absl::Duration ttl_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  Clock::time_point deadline_;  // Guarded by mutex_, as all below.
  State state_ = State::kAlive;
  absl::AnyInvocable<void()> on_lost_;
};

}  // namespace trireme::kv::internal
