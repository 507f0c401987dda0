#include <memory>
#include <utility>

#include <trireme/kv.h>
#include "base/status_macros.h"
#include "fmt/format.h"
#include "kv/client/core.h"
#include "kv/client/messages.h"
#include "kv/client/operations.h"
#include "kv/client/transactions.h"
#include "kv/client/verdict.h"

namespace trireme::kv {

using internal::Await;
using internal::CallPlan;
using internal::Parsing;
using internal::PlanOf;

namespace {

constexpr char kRange[] = "/etcdserverpb.KV/Range";
constexpr char kPut[] = "/etcdserverpb.KV/Put";
constexpr char kDelete[] = "/etcdserverpb.KV/DeleteRange";
constexpr char kTxn[] = "/etcdserverpb.KV/Txn";
constexpr char kCompact[] = "/etcdserverpb.KV/Compact";

// Marks of a certain put.
constexpr char kWrittenMark = '1', kMismatchMark = '0', kNoKeyMark = 'n';

PutResult Maybe() {
  return {.code = PutCode::kMaybe};
}

/// A write's error for the caller: it may have taken effect all the same when `tainted`.
absl::StatusOr<PutResult> PutError(const absl::Status& status, bool tainted) {
  if (tainted || MayHaveTakenEffect(status)) return Maybe();
  return status;
}

PutResult Written(Version before, std::int64_t revision) {
  const Version after = before == kAnyVersion ? Version{} : Version{before.value + 1};
  return {PutCode::kOk, after, {revision}};
}

PutResult Refused(const etcdserverpb::RangeResponse& found, std::int64_t revision) {
  if (found.kvs().empty()) return {PutCode::kNoKey, {}, {revision}};
  return {PutCode::kVersionMismatch, {found.kvs(0).version()}, {revision}};
}

struct PutQuestion {
  std::string key, value;
  Version version;
  LeaseId lease;
};

etcdserverpb::TxnRequest ConditionalPut(const PutQuestion& put) {
  Txn txn;
  if (put.version != kAnyVersion) txn.If(VersionOf(put.key) == put.version);
  txn.Then(Put(put.key, put.value, put.lease)).Else(Get(put.key));
  return internal::BodyOf(txn);
}

/// A conditional put that marks which of its three ends it took.
etcdserverpb::TxnRequest MarkedPut(const PutQuestion& put,
                                   const internal::Operations::Marker& mark) {
  etcdserverpb::TxnRequest request = ConditionalPut(put);
  *request.add_success() = mark(kWrittenMark);
  etcdserverpb::TxnRequest& which = *request.add_failure()->mutable_request_txn();
  *which.add_compare() = internal::ToProto(VersionOf(put.key) == kAbsent);
  *which.add_success() = mark(kNoKeyMark);
  *which.add_failure() = mark(kMismatchMark);
  return request;
}

PutResult ResultOf(Version version, const etcdserverpb::TxnResponse& reply, std::int64_t revision) {
  if (reply.succeeded()) return Written(version, revision);
  if (reply.responses_size() == 0) return Refused({}, revision);
  return Refused(reply.responses(0).response_range(), revision);
}

PutResult ResultOf(Version version, const internal::Operations::Fate& fate) {
  if (fate.answer) return ResultOf(version, *fate.answer, fate.revision.value);
  if (fate.mark == kWrittenMark) return Written(version, fate.revision.value);
  if (fate.mark == kNoKeyMark) return {PutCode::kNoKey, {}, fate.revision};
  return {PutCode::kVersionMismatch, {}, fate.revision};
}

void StartCertainPut(const std::shared_ptr<internal::Core>& core, PutQuestion put,
                     absl::Duration timeout, Client::PutDone done) {
  core->Post([core, put = std::move(put), timeout, done = std::move(done)]() mutable {
    if (core->closed()) return done(internal::ClientClosed());
    const Version version = put.version;
    core->operations().Run(
        [put = std::move(put)](const auto& mark) { return MarkedPut(put, mark); }, timeout,
        [version,
         done = std::move(done)](const absl::StatusOr<internal::Operations::Fate>& fate) mutable {
          if (!fate.ok()) return done(PutError(fate.status(), false));
          done(ResultOf(version, *fate));
        });
  });
}

void StartBlindPut(internal::Core& core, const PutQuestion& put, absl::Duration timeout,
                   Client::PutDone done) {
  CallPlan plan = PlanOf(kPut, internal::PutOf(put.key, put.value, put.lease), false, timeout);
  plan.done = Parsing<etcdserverpb::PutResponse>(
      kPut, [done = std::move(done)](const absl::StatusOr<etcdserverpb::PutResponse>& reply,
                                     bool tainted) mutable {
        if (!reply.ok()) return done(PutError(reply.status(), tainted));
        done(Written(kAnyVersion, reply->header().revision()));
      });
  core.Start(std::move(plan));
}

void StartVersionedPut(internal::Core& core, const PutQuestion& put, absl::Duration timeout,
                       Client::PutDone done) {
  CallPlan plan = PlanOf(kTxn, ConditionalPut(put), true, timeout);
  plan.done = Parsing<etcdserverpb::TxnResponse>(
      kTxn, [version = put.version, done = std::move(done)](
                const absl::StatusOr<etcdserverpb::TxnResponse>& reply, bool tainted) mutable {
        if (!reply.ok()) return done(PutError(reply.status(), tainted));
        // A refusal of this try says nothing of one before it, which may have made the refusal.
        if (!reply->succeeded() && tainted) return done(Maybe());
        done(ResultOf(version, *reply, reply->header().revision()));
      });
  core.Start(std::move(plan));
}

RangeQuery QueryOf(std::string_view key, const GetOptions& options) {
  return {.range = KeyRange::Single(key),
          .revision = options.revision,
          .serializable = options.serializable};
}

absl::StatusOr<KeyValue> OnlyKey(std::string_view key, absl::StatusOr<RangeResult> found) {
  if (!found.ok()) return found.status();
  if (found->keys.empty()) return absl::NotFoundError(fmt::format("there is no key '{}'", key));
  return std::move(found->keys.front());
}

}  // namespace

Client::Client(std::shared_ptr<internal::Core> core) : core_(std::move(core)) {}

Client::~Client() {
  core_->Close();
}

absl::StatusOr<std::unique_ptr<Client>> Client::Create(ClientOptions options) {
  TRIREME_ASSIGN_OR_RETURN(auto core, internal::Core::Create(std::move(options)));
  return std::unique_ptr<Client>(new Client(std::move(core)));
}

void Client::RangeAsync(RangeQuery query, CallOptions options, RangeDone done) {
  CallPlan plan = PlanOf(kRange, internal::ToProto(query), true, core_->TimeoutOf(options.timeout));
  plan.done = Parsing<etcdserverpb::RangeResponse>(
      kRange,
      [done = std::move(done)](absl::StatusOr<etcdserverpb::RangeResponse> reply, bool) mutable {
        if (!reply.ok()) return done(reply.status());
        done(internal::FromProto(*std::move(reply)));
      });
  core_->Start(std::move(plan));
}

void Client::GetAsync(std::string_view key, GetOptions options, GetDone done) {
  RangeAsync(
      QueryOf(key, options), {options.timeout},
      [key = std::string(key), done = std::move(done)](absl::StatusOr<RangeResult> found) mutable {
        done(OnlyKey(key, std::move(found)));
      });
}

void Client::PutAsync(std::string_view key, std::string_view value, Version version,
                      PutOptions options, PutDone done) {
  PutQuestion put{std::string(key), std::string(value), version, options.lease};
  const absl::Duration timeout = core_->TimeoutOf(options.timeout);
  if (options.certain) return StartCertainPut(core_, std::move(put), timeout, std::move(done));
  if (version == kAnyVersion) return StartBlindPut(*core_, put, timeout, std::move(done));
  StartVersionedPut(*core_, put, timeout, std::move(done));
}

void Client::CommitAsync(const Txn& txn, TxnOptions options, TxnDone done) {
  options.timeout = core_->TimeoutOf(options.timeout);
  internal::StartCommit(core_, txn, options, !internal::Writes(txn), std::move(done));
}

absl::StatusOr<KeyValue> Client::Get(std::string_view key, GetOptions options) {
  return Await<absl::StatusOr<KeyValue>>(
      *core_, [&](auto done) { GetAsync(key, options, std::move(done)); });
}

absl::StatusOr<RangeResult> Client::Range(RangeQuery query, CallOptions options) {
  return Await<absl::StatusOr<RangeResult>>(
      *core_, [&](auto done) { RangeAsync(std::move(query), options, std::move(done)); });
}

absl::StatusOr<PutResult> Client::Put(std::string_view key, std::string_view value, Version version,
                                      PutOptions options) {
  return Await<absl::StatusOr<PutResult>>(
      *core_, [&](auto done) { PutAsync(key, value, version, options, std::move(done)); });
}

absl::StatusOr<TxnResult> Client::Commit(const Txn& txn, TxnOptions options) {
  return Await<absl::StatusOr<TxnResult>>(
      *core_, [&](auto done) { CommitAsync(txn, options, std::move(done)); });
}

absl::StatusOr<DeleteResult> Client::Delete(KeyRange range, CallOptions options) {
  return Await<absl::StatusOr<DeleteResult>>(*core_, [&](auto done) {
    CallPlan plan =
        PlanOf(kDelete, internal::ToProto(range), false, core_->TimeoutOf(options.timeout));
    plan.done = Parsing<etcdserverpb::DeleteRangeResponse>(
        kDelete, [done](const absl::StatusOr<etcdserverpb::DeleteRangeResponse>& reply,
                        bool tainted) mutable {
          if (reply.ok()) return done(internal::FromProto(*reply));
          done(tainted ? internal::MarkMaybe(reply.status()) : reply.status());
        });
    core_->Start(std::move(plan));
  });
}

absl::StatusOr<DeleteResult> Client::Delete(std::string_view key, CallOptions options) {
  return Delete(KeyRange::Single(key), options);
}

absl::Status Client::Compact(Revision revision, CallOptions options) {
  etcdserverpb::CompactionRequest request;
  request.set_revision(revision.value);
  return Await<absl::Status>(*core_, [&](auto done) {
    CallPlan plan = PlanOf(kCompact, request, true, core_->TimeoutOf(options.timeout));
    plan.done = [done](absl::StatusOr<std::string> reply, bool tainted) mutable {
      if (reply.ok() || internal::IsCompacted(reply.status())) return done(absl::OkStatus());
      done(tainted ? internal::MarkMaybe(reply.status()) : reply.status());
    };
    core_->Start(std::move(plan));
  });
}

}  // namespace trireme::kv
