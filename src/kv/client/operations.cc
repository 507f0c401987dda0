#include "kv/client/operations.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "fmt/format.h"
#include "kv/client/lease_keeper.h"
#include "kv/client/messages.h"
#include "kv/client/verdict.h"

namespace trireme::kv::internal {
namespace {

constexpr char kTxnMethod[] = "/etcdserverpb.KV/Txn";

absl::Duration Until(rpc::Loop::Clock::time_point deadline) {
  if (deadline == rpc::Loop::Clock::time_point::max()) return absl::InfiniteDuration();
  return absl::FromChrono(deadline - rpc::Loop::Clock::now());
}

}  // namespace

etcdserverpb::RequestOp Operations::Marker::operator()(char what) const {
  etcdserverpb::RequestOp op;
  *op.mutable_request_put() = PutOf(slot_, fmt::format("{}/{}", operation_, what), lease_);
  return op;
}

void Operations::Run(Marked txn, absl::Duration timeout, Done done) {
  RunInSession(std::make_shared<Operation>(
      Operation{std::move(txn), After(timeout), std::move(done), {}, ++operations_}));
}

void Operations::RunInSession(Handle operation) {
  if (!session_ || !session_->alive()) return OpenSession(std::move(operation));
  operation->slot = TakeSlot();
  CallPlan plan = PlanOf(kTxnMethod, RequestOf(*operation), true, Until(operation->deadline));
  plan.done = Parsing<etcdserverpb::TxnResponse>(
      kTxnMethod, [this, operation](absl::StatusOr<etcdserverpb::TxnResponse> reply, bool tainted) {
        OnReply(operation, std::move(reply), tainted);
      });
  core_.Start(std::move(plan));
}

void Operations::OpenSession(Handle operation) {
  if (session_) std::exchange(session_, nullptr)->Abandon();
  const absl::Duration timeout = Until(operation->deadline);
  waiting_.push_back(std::move(operation));
  if (waiting_.size() > 1) return;
  core_.leases().Grant(core_.options().operation_ttl, timeout,
                       [this](auto lease) { OnSession(std::move(lease)); });
}

void Operations::OnSession(absl::StatusOr<std::shared_ptr<HeldLease>> lease) {
  std::vector<Handle> waiting = std::exchange(waiting_, {});
  if (!lease.ok()) {
    // The first one's time is over, others may have more.
    waiting.front()->done(lease.status());
    for (auto one = waiting.begin() + 1; one != waiting.end(); ++one) RunInSession(*one);
    return;
  }
  session_ = *std::move(lease);
  free_slots_.clear();
  slots_ = 0;
  for (Handle& one : waiting) RunInSession(std::move(one));
}

void Operations::Release() {
  if (session_) std::exchange(session_, nullptr)->Abandon();
}

Operations::Slot Operations::TakeSlot() {
  if (!free_slots_.empty()) {
    Slot slot = std::move(free_slots_.back());
    free_slots_.pop_back();
    return slot;
  }
  const LeaseId lease = session_->id();
  return {fmt::format("{}{:x}/{}", core_.options().operation_prefix, lease.value, ++slots_), 0,
          lease};
}

void Operations::ReturnSlot(Slot slot, std::int64_t modified) {
  if (!session_ || session_->id() != slot.lease) return;
  slot.modified = modified;
  free_slots_.push_back(std::move(slot));
}

etcdserverpb::TxnRequest Operations::RequestOf(const Operation& operation) const {
  const Slot& slot = operation.slot;
  etcdserverpb::TxnRequest request =
      Under({ModifiedOf(slot.key) == Revision{slot.modified}},
            operation.txn(Marker(slot.key, operation.number, slot.lease)));
  request.add_failure()->mutable_request_range()->set_key(slot.key);
  return request;
}

void Operations::OnReply(const Handle& operation, absl::StatusOr<etcdserverpb::TxnResponse> reply,
                         bool tainted) {
  if (!reply.ok() && tainted) return operation->done(MarkMaybe(reply.status()));
  if (!reply.ok()) {
    if (IsLeaseGone(reply.status()) && session_ && session_->id() == operation->slot.lease) {
      std::exchange(session_, nullptr)->Abandon();
      return RunInSession(operation);
    }
    ReturnSlot(operation->slot, operation->slot.modified);
    return operation->done(reply.status());
  }
  if (!reply->succeeded()) return OnRefused(operation, *reply, tainted);
  const std::int64_t revision = reply->header().revision();
  ReturnSlot(operation->slot, revision);
  if (reply->responses_size() != 1 || !reply->responses(0).has_response_txn()) {
    return operation->done(MarkMaybe(UnparsableReply(kTxnMethod)));
  }
  operation->done(
      Fate{std::move(*reply->mutable_responses(0)->mutable_response_txn()), 0, {revision}});
}

/// The slot has been written since: by an earlier try of this very operation, or it has expired.
void Operations::OnRefused(const Handle& operation, const etcdserverpb::TxnResponse& reply,
                           bool tainted) {
  const std::string mine = fmt::format("{}/", operation->number);
  for (const etcdserverpb::ResponseOp& op : reply.responses()) {
    for (const mvccpb::KeyValue& slot : op.response_range().kvs()) {
      if (!absl::StartsWith(slot.value(), mine) || slot.value().size() <= mine.size()) continue;
      ReturnSlot(operation->slot, slot.mod_revision());
      return operation->done(Fate{std::nullopt, slot.value()[mine.size()], {slot.mod_revision()}});
    }
  }
  if (session_ && session_->id() == operation->slot.lease) {
    std::exchange(session_, nullptr)->Abandon();
  }
  if (!tainted) return RunInSession(operation);
  operation->done(MarkMaybe(absl::UnavailableError(
      "the record of the operation is gone, with its lease, before an answer came; what became of "
      "it can only be seen from the keys it writes")));
}

}  // namespace trireme::kv::internal
