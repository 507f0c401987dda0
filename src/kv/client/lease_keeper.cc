#include "kv/client/lease_keeper.h"

#include <algorithm>

#include "fmt/format.h"
#include "kv/client/limits.h"
#include "kv/client/verdict.h"

namespace trireme::kv::internal {
namespace {

constexpr char kGrant[] = "/etcdserverpb.Lease/LeaseGrant";

std::int64_t WholeSeconds(absl::Duration ttl) {
  return std::max<std::int64_t>(1, absl::ToInt64Seconds(absl::Ceil(ttl, absl::Seconds(1))));
}

std::chrono::nanoseconds RenewalInterval(const HeldLease& lease) {
  return absl::ToChronoNanoseconds(lease.ttl() / kRenewalsPerTtl);
}

/// What the server granted; the id is ours, so a grant whose answer was lost is one all the same.
absl::StatusOr<absl::Duration> GrantedTtl(
    const absl::StatusOr<etcdserverpb::LeaseGrantResponse>& reply, std::int64_t asked,
    bool tainted) {
  if (reply.ok() && !reply->error().empty()) return absl::InternalError(reply->error());
  if (reply.ok()) return absl::Seconds(reply->ttl());
  const bool exists = absl::IsFailedPrecondition(reply.status()) &&
                      reply.status().message() == "etcdserver: lease already exists";
  if (tainted && exists) return absl::Seconds(asked);
  return reply.status();
}

}  // namespace

class LeaseKeeper::Handler final : public rpc::StreamHandler<Reply> {
 public:
  Handler(std::weak_ptr<Core> core, int generation)
      : core_(std::move(core)), generation_(generation) {}

  void OnMessage(Reply reply) override {
    const auto core = core_.lock();
    if (core && core->leases().generation_ == generation_) core->leases().OnReply(reply);
  }
  void OnDone(absl::Status, rpc::Metadata) override {
    if (const auto core = core_.lock()) core->leases().OnStreamOver(generation_);
  }

 private:
  const std::weak_ptr<Core> core_;
  const int generation_;
};

void LeaseKeeper::Grant(absl::Duration ttl, absl::Duration timeout, Granted done) {
  const std::int64_t id = static_cast<std::int64_t>(core_.random().Next() >> 1) | 1;
  etcdserverpb::LeaseGrantRequest request;
  request.set_id(id);
  request.set_ttl(WholeSeconds(ttl));
  CallPlan plan = PlanOf(kGrant, request, true, timeout);
  plan.done = Parsing<etcdserverpb::LeaseGrantResponse>(
      kGrant,
      [this, id, asked = request.ttl(), sent_at = Clock::now(), done = std::move(done)](
          const absl::StatusOr<etcdserverpb::LeaseGrantResponse>& reply, bool tainted) mutable {
        const absl::StatusOr<absl::Duration> granted = GrantedTtl(reply, asked, tainted);
        if (!granted.ok()) return done(granted.status());
        auto lease =
            std::make_shared<HeldLease>(core_.shared_from_this(), LeaseId{id}, *granted, sent_at);
        Keep(lease, sent_at);
        done(std::move(lease));
      });
  core_.Start(std::move(plan));
}

void LeaseKeeper::Keep(std::shared_ptr<HeldLease> lease, Clock::time_point sent_at) {
  const std::int64_t id = lease->id().value;
  Entry& entry = leases_[id];
  entry.lease = std::move(lease);
  Schedule(id, entry, sent_at + RenewalInterval(*entry.lease));
  Rearm();
}

void LeaseKeeper::Schedule(std::int64_t id, Entry& entry, Clock::time_point when) {
  steps_.erase({entry.next_step, id});
  entry.next_step = std::min(when, entry.lease->deadline());
  steps_.emplace(entry.next_step, id);
}

void LeaseKeeper::Rearm() {
  if (steps_.empty()) return core_.loop()->Disarm(*this);
  core_.loop()->Arm(*this, steps_.begin()->first);
}

void LeaseKeeper::Forget(LeaseId id) {
  const auto found = leases_.find(id.value);
  if (found == leases_.end()) return;
  steps_.erase({found->second.next_step, id.value});
  leases_.erase(found);
  if (leases_.empty()) CloseStream();
  Rearm();
}

void LeaseKeeper::Stop() {
  while (!leases_.empty()) Lose(leases_.begin()->first);
  CloseStream();
  Rearm();
}

void LeaseKeeper::Lose(std::int64_t id) {
  const std::shared_ptr<HeldLease> lease = leases_.at(id).lease;
  Forget(LeaseId{id});
  lease->Lose();
}

void LeaseKeeper::OnTimer() {
  const Clock::time_point now = Clock::now();
  while (!steps_.empty() && steps_.begin()->first <= now) Step(steps_.begin()->second, now);
  Rearm();
}

void LeaseKeeper::Step(std::int64_t id, Clock::time_point now) {
  Entry& entry = leases_.at(id);
  if (now >= entry.lease->deadline()) return Lose(id);
  // A member that does not answer may be cut off: ask another.
  if (entry.sent_at && stream_) {
    core_.endpoints().Failed(endpoint_);
    CloseStream();
  }
  Renew(id, entry, now);
}

void LeaseKeeper::Renew(std::int64_t id, Entry& entry, Clock::time_point now) {
  if (!stream_ && now < closed_until_) return Schedule(id, entry, closed_until_);
  if (!stream_) OpenStream();
  Request request;
  request.set_id(id);
  entry.sent_at = now;
  stream_->Write(request);
  Schedule(id, entry, now + RenewalInterval(*entry.lease));
}

void LeaseKeeper::OpenStream() {
  endpoint_ = core_.endpoints().current();
  rpc::CallOptions options;
  options.metadata = Core::CallMetadata();
  stream_ = etcdserverpb::LeaseStub(core_.endpoints().channel(endpoint_))
                .LeaseKeepAliveAsync(std::move(options), std::make_unique<Handler>(
                                                             core_.weak_from_this(), generation_));
}

void LeaseKeeper::CloseStream() {
  ++generation_;
  if (stream_) stream_->Cancel();
  stream_.reset();
  for (auto& [id, entry] : leases_) entry.sent_at.reset();
}

void LeaseKeeper::OnReply(const Reply& reply) {
  failures_ = 0;
  const auto found = leases_.find(reply.id());
  if (found == leases_.end() || !found->second.sent_at) return;
  if (reply.ttl() <= 0) return Lose(reply.id());
  Entry& entry = found->second;
  const Clock::time_point sent_at = *std::exchange(entry.sent_at, std::nullopt);
  entry.lease->Renewed(sent_at);
  Schedule(reply.id(), entry, sent_at + RenewalInterval(*entry.lease));
  Rearm();
}

void LeaseKeeper::OnStreamOver(int generation) {
  if (generation != generation_) return;
  core_.endpoints().Failed(endpoint_);
  CloseStream();
  const Clock::time_point now = Clock::now();
  closed_until_ = now + absl::ToChronoNanoseconds(core_.BackoffAfter(++failures_));
  // What was under way is sent again; what is due later opens a stream by itself.
  for (auto& [id, entry] : leases_) Schedule(id, entry, closed_until_);
  Rearm();
}

}  // namespace trireme::kv::internal
