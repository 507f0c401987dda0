#include "kv/client/held_lease.h"

#include <utility>

#include "etcd/rpc.pb.h"
#include "kv/client/lease_keeper.h"
#include "kv/client/limits.h"
#include "kv/client/verdict.h"

namespace trireme::kv::internal {

HeldLease::HeldLease(std::shared_ptr<Core> core, LeaseId id, absl::Duration ttl,
                     Clock::time_point sent_at)
    : core_(std::move(core)), id_(id), ttl_(ttl), deadline_(DeadlineFrom(sent_at, ttl)) {}

HeldLease::Clock::time_point HeldLease::DeadlineFrom(Clock::time_point sent_at,
                                                     absl::Duration ttl) {
  return sent_at + absl::ToChronoNanoseconds(ttl - ttl / kLeaseMarginShare);
}

bool HeldLease::alive() const {
  const std::lock_guard lock(mutex_);
  return state_ == State::kAlive && Clock::now() < deadline_;
}

HeldLease::Clock::time_point HeldLease::deadline() const {
  const std::lock_guard lock(mutex_);
  return deadline_;
}

bool HeldLease::WaitLost(absl::Duration timeout) const {
  std::unique_lock lock(mutex_);
  const auto over = [&] { return state_ != State::kAlive; };
  const Clock::time_point until = After(timeout);
  if (until != Clock::time_point::max()) return changed_.wait_until(lock, until, over);
  changed_.wait(lock, over);
  return true;
}

void HeldLease::OnLost(absl::AnyInvocable<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kAlive) {
      on_lost_ = std::move(callback);
      return;
    }
    if (state_ == State::kRevoked) return;
  }
  core_->Post(std::move(callback));
}

void HeldLease::Renewed(Clock::time_point sent_at) {
  const std::lock_guard lock(mutex_);
  deadline_ = std::max(deadline_, DeadlineFrom(sent_at, ttl_));
}

bool HeldLease::End(State state) {
  absl::AnyInvocable<void()> callback;
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kAlive) return false;
    state_ = state;
    callback = std::exchange(on_lost_, nullptr);
    changed_.notify_all();
  }
  if (state == State::kLost && callback) callback();
  return true;
}

void HeldLease::Lose() {
  End(State::kLost);
}

CallPlan HeldLease::RevocationPlan(absl::Duration timeout) const {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(id_.value);
  return PlanOf("/etcdserverpb.Lease/LeaseRevoke", request, true, timeout);
}

absl::Status HeldLease::Revoke(absl::Duration timeout) {
  End(State::kRevoked);
  core_->Post([core = core_, id = id_] { core->leases().Forget(id); });
  return Await<absl::Status>(*core_, [&](auto done) {
    CallPlan plan = RevocationPlan(core_->TimeoutOf(timeout));
    plan.done = [done](absl::StatusOr<std::string> reply, bool tainted) mutable {
      if (reply.ok() || IsLeaseGone(reply.status())) return done(absl::OkStatus());
      done(tainted ? MarkMaybe(reply.status()) : reply.status());
    };
    core_->Start(std::move(plan));
  });
}

void HeldLease::Abandon() {
  if (!End(State::kRevoked)) return;
  core_->Post([core = core_, id = id_] { core->leases().Forget(id); });
  core_->StartLast(RevocationPlan(ttl_));
}

}  // namespace trireme::kv::internal
