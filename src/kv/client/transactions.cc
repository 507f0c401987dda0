#include "kv/client/transactions.h"

#include <utility>

#include "kv/client/messages.h"
#include "kv/client/operations.h"
#include "kv/client/verdict.h"

namespace trireme::kv::internal {
namespace {

namespace pb = etcdserverpb;

constexpr char kTxn[] = "/etcdserverpb.KV/Txn";
// Marks of a certain transaction.
constexpr char kThenMark = '1', kElseMark = '0', kFenceMark = 'f';

pb::TxnRequest RequestOf(const Txn& txn) {
  return txn.fences().empty() ? BodyOf(txn) : Under(txn.fences(), BodyOf(txn));
}

absl::StatusOr<TxnResult> ResultOf(const Txn& txn, pb::TxnResponse reply) {
  if (txn.fences().empty()) return FromProto(txn, std::move(reply));
  if (!reply.succeeded()) return FenceFailed();
  if (reply.responses_size() != 1) return UnparsableReply(kTxn);
  const std::int64_t revision = reply.header().revision();
  absl::StatusOr<TxnResult> result =
      FromProto(txn, std::move(*reply.mutable_responses(0)->mutable_response_txn()));
  if (result.ok()) result->revision = {revision};
  return result;
}

pb::TxnRequest MarkedRequestOf(const Txn& txn, const Operations::Marker& mark) {
  pb::TxnRequest body = BodyOf(txn);
  *body.add_success() = mark(kThenMark);
  *body.add_failure() = mark(kElseMark);
  if (txn.fences().empty()) return body;
  pb::TxnRequest fenced = Under(txn.fences(), std::move(body));
  *fenced.add_failure() = mark(kFenceMark);
  return fenced;
}

absl::StatusOr<TxnResult> ResultOf(const Txn& txn, Operations::Fate fate) {
  if (fate.answer) {
    absl::StatusOr<TxnResult> result = ResultOf(txn, *std::move(fate.answer));
    if (result.ok()) result->revision = fate.revision;
    return result;
  }
  if (fate.mark == kFenceMark) return FenceFailed();
  return TxnResult{
      .succeeded = fate.mark == kThenMark, .revision = fate.revision, .results_lost = true};
}

void StartCertain(const std::shared_ptr<Core>& core, const Txn& txn, absl::Duration timeout,
                  Client::TxnDone done) {
  core->Post([core, txn, timeout, done = std::move(done)]() mutable {
    if (core->closed()) return done(ClientClosed());
    core->operations().Run(
        [txn](const Operations::Marker& mark) { return MarkedRequestOf(txn, mark); }, timeout,
        [txn, done = std::move(done)](absl::StatusOr<Operations::Fate> fate) mutable {
          if (!fate.ok()) return done(fate.status());
          done(ResultOf(txn, *std::move(fate)));
        });
  });
}

}  // namespace

void StartCommit(const std::shared_ptr<Core>& core, const Txn& txn, const TxnOptions& options,
                 bool repeatable, Client::TxnDone done) {
  if (options.certain && !repeatable) {
    return StartCertain(core, txn, options.timeout, std::move(done));
  }
  CallPlan plan = PlanOf(kTxn, RequestOf(txn), repeatable, options.timeout);
  plan.done = Parsing<pb::TxnResponse>(
      kTxn, [txn, writes = Writes(txn), done = std::move(done)](
                absl::StatusOr<pb::TxnResponse> reply, bool tainted) mutable {
        absl::StatusOr<TxnResult> result =
            reply.ok() ? ResultOf(txn, *std::move(reply)) : reply.status();
        if (!result.ok() && tainted && writes) result = MarkMaybe(result.status());
        done(std::move(result));
      });
  core->Start(std::move(plan));
}

absl::StatusOr<TxnResult> Commit(const std::shared_ptr<Core>& core, const Txn& txn,
                                 absl::Duration timeout, bool repeatable) {
  return Await<absl::StatusOr<TxnResult>>(*core, [&](auto done) {
    StartCommit(core, txn, {.timeout = timeout}, repeatable, std::move(done));
  });
}

}  // namespace trireme::kv::internal
