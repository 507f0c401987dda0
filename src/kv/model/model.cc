#include "kv/model/model.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "kv/model/checks.h"
#include "kv/model/command_codec.h"

namespace trireme::kv::inline engine {

namespace {
/// Lease time ends here, far from an overflow: 36 million years.
constexpr std::int64_t kTimeMsMax = std::int64_t{1} << 60;
constexpr std::int64_t kExtendMsMax = std::int64_t{1} << 40;
constexpr std::int64_t kMsPerSecond = 1000;
}  // namespace

Model::Model(OrderedStore& store, const ModelOptions& options)
    : store_(store),
      iterator_(store.NewIterator()),
      newest_iterator_(store.NewNewestIterator()),
      work_{store_,
            *iterator_,
            *newest_iterator_,
            {},
            {},
            {},
            NewestCache(options.newest_cache_bytes)} {}

absl::StatusOr<std::unique_ptr<Model>> Model::Open(OrderedStore& store,
                                                   const ModelOptions& options) {
  std::unique_ptr<Model> model(new Model(store, options));
  TRIREME_RETURN_IF_ERROR(model->Load());
  return model;
}

absl::Status Model::Load() {
  iterator_->Seek(MetaKey());
  TRIREME_RETURN_IF_ERROR(iterator_->status());
  if (!iterator_->Valid() || iterator_->key() != MetaKey()) return absl::OkStatus();
  const auto meta = DecodeMeta(iterator_->value());
  if (!meta) return Damaged(MetaKey());
  meta_ = *meta;
  swept_to_ = {meta_.swept, 0};
  LetDrop();
  return LoadLeases();
}

absl::Status Model::LoadLeases() {
  for (iterator_->Seek({&kLeaseTag, 1}); iterator_->Valid() && iterator_->key()[0] == kLeaseTag;
       iterator_->Next()) {
    const auto id = ParseLeaseKey(iterator_->key());
    const auto record = DecodeLease(iterator_->value());
    if (!id || !record) return Damaged(iterator_->key());
    leases_.Set(*id, *record);
  }
  return iterator_->status();
}

absl::Status Model::Apply(std::uint64_t index, std::uint64_t term, std::string_view bytes,
                          Outcome* outcome) {
  TRIREME_ASSIGN_OR_RETURN(const Command command, DecodeCommand(bytes));
  return Apply(index, term, command, outcome);
}

absl::Status Model::Apply(std::uint64_t index, std::uint64_t term, const Command& command,
                          Outcome* outcome) {
  Skip(index, term);
  meta_.time_ms = std::max(meta_.time_ms, std::min(command.time_ms, kTimeMsMax));
  TRIREME_RETURN_IF_ERROR(
      std::visit([&](const auto& body) { return Do(body, outcome); }, command.body));
  outcome->revision = meta_.revision;
  return absl::OkStatus();
}

void Model::Skip(std::uint64_t index, std::uint64_t term) {
  TRIREME_CHECK(index == meta_.applied_index + 1);
  meta_.applied_index = index;
  meta_.applied_term = term;
}

absl::Status Model::Commit() {
  store_.Put(MetaKey(), EncodeMeta(meta_));
  return store_.Commit();
}

std::shared_ptr<const ReadView> Model::View() {
  return std::make_shared<const ReadView>(store_.Snapshot(), meta_);
}

void Model::LetDrop() {
  if (meta_.compacted > 0 && store_.DropBelow(meta_.compacted)) meta_.swept = meta_.compacted;
}

bool Model::HasLease(LeaseId id) const {
  return id == kNoLease || leases_.Find(id) != nullptr;
}

absl::StatusOr<Error> Model::CheckPut(const PutRequest& request) {
  if (!request.ignore_value && !request.ignore_lease) return Error::kNone;
  Found found;
  TRIREME_RETURN_IF_ERROR(
      FindVersion(*newest_iterator_, request.key, INT64_MAX, work_.find_buffer, &found));
  return found.live() ? Error::kNone : Error::kKeyNotFound;
}

absl::Status Model::Do(const PutRequest& request, Outcome* outcome) {
  if (!HasLease(request.lease)) {
    outcome->error = Error::kLeaseNotFound;
    return absl::OkStatus();
  }
  TRIREME_ASSIGN_OR_RETURN(outcome->error, CheckPut(request));
  if (outcome->error != Error::kNone) return absl::OkStatus();
  Writer writer(work_, meta_, *outcome);
  TRIREME_RETURN_IF_ERROR(writer.Put(request, &outcome->result.emplace<PutResult>()));
  meta_.revision = writer.current();
  return absl::OkStatus();
}

absl::Status Model::Do(const DeleteRangeRequest& request, Outcome* outcome) {
  Writer writer(work_, meta_, *outcome);
  TRIREME_RETURN_IF_ERROR(
      writer.DeleteRange(request, &outcome->result.emplace<DeleteRangeResult>()));
  meta_.revision = writer.current();
  return absl::OkStatus();
}

/// All puts first, then all ranges, as etcd does. Of a put within a transaction etcd looks at the
/// key before the lease, of one alone at the lease before the key.
absl::StatusOr<Error> Model::CheckTxn(const TxnRequest& request, const std::vector<bool>& path) {
  TRIREME_ASSIGN_OR_RETURN(
      const Error error,
      CheckLeaves(request, path, [this](const RequestOp& op) -> absl::StatusOr<Error> {
        const auto* put = std::get_if<PutRequest>(&op.request);
        if (put == nullptr) return Error::kNone;
        TRIREME_ASSIGN_OR_RETURN(const Error of_key, CheckPut(*put));
        if (of_key != Error::kNone) return of_key;
        return HasLease(put->lease) ? Error::kNone : Error::kLeaseNotFound;
      }));
  if (error != Error::kNone) return error;
  return CheckLeaves(request, path, [this](const RequestOp& op) {
    return CheckRevision(op, meta_.revision, meta_.compacted);
  });
}

absl::Status Model::RunLeaf(Writer& writer, const RequestOp& op, ResponseOp* response) {
  if (const auto* put = std::get_if<PutRequest>(&op.request))
    return writer.Put(*put, &response->response.emplace<PutResult>());
  if (const auto* doomed = std::get_if<DeleteRangeRequest>(&op.request))
    return writer.DeleteRange(*doomed, &response->response.emplace<DeleteRangeResult>());
  const auto* range = std::get_if<RangeRequest>(&op.request);
  if (range == nullptr) return absl::OkStatus();
  Error error = Error::kNone;  // none: its revision has been checked
  return writer.reads().Range(*range, &error, &response->response.emplace<RangeResult>());
}

absl::Status Model::Do(const TxnRequest& request, Outcome* outcome) {
  Writer writer(work_, meta_, *outcome);
  std::vector<bool> path;
  TRIREME_RETURN_IF_ERROR(writer.reads().Path(request, &path));
  TRIREME_ASSIGN_OR_RETURN(outcome->error, CheckTxn(request, path));
  if (outcome->error != Error::kNone) return absl::OkStatus();
  auto& result = outcome->result.emplace<TxnResult>();
  TRIREME_RETURN_IF_ERROR(RunTxn(
      request, path,
      [&](const RequestOp& op, ResponseOp* response) { return RunLeaf(writer, op, response); },
      &result));
  meta_.revision = result.revision = writer.current();
  return absl::OkStatus();
}

absl::Status Model::Do(const CompactRequest& request, Outcome* outcome) {
  if (request.revision <= meta_.compacted) {
    outcome->error = Error::kCompacted;
  } else if (request.revision > meta_.revision) {
    outcome->error = Error::kFutureRevision;
  } else {
    meta_.compacted = request.revision;
    swept_to_ = {meta_.swept, 0};  // what stayed for being of the last compaction's revision
    LetDrop();
  }
  return absl::OkStatus();
}

void Model::SetLease(LeaseId id, const LeaseRecord& record) {
  leases_.Set(id, record);
  store_.Put(LeaseKey(id), EncodeLease(record));
}

absl::Status Model::Do(const LeaseGrantRequest& request, Outcome* outcome) {
  if (request.id == kNoLease) {
    outcome->error = Error::kLeaseNotFound;
  } else if (request.ttl_s > kLeaseTtlMax) {
    outcome->error = Error::kLeaseTtlTooLarge;
  } else if (leases_.Find(request.id) != nullptr) {
    outcome->error = Error::kLeaseExists;
  } else {
    const std::int64_t ttl_s = std::max<std::int64_t>(request.ttl_s, 1);
    SetLease(request.id, {ttl_s, meta_.time_ms + ttl_s * kMsPerSecond});
    outcome->result = LeaseResult{ttl_s};
  }
  return absl::OkStatus();
}

absl::Status Model::Revoke(LeaseId id, Outcome* outcome) {
  Writer writer(work_, meta_, *outcome);
  TRIREME_RETURN_IF_ERROR(writer.DeleteAttached(id));
  meta_.revision = writer.current();
  leases_.Remove(id);
  store_.Erase(LeaseKey(id));
  return absl::OkStatus();
}

absl::Status Model::Do(const LeaseRevokeRequest& request, Outcome* outcome) {
  if (leases_.Find(request.id) != nullptr) return Revoke(request.id, outcome);
  outcome->error = Error::kLeaseNotFound;
  return absl::OkStatus();
}

absl::Status Model::Do(const LeaseKeepAliveRequest& request, Outcome* outcome) {
  auto& result = outcome->result.emplace<LeaseKeepAliveResult>();
  for (const LeaseId id : request.ids) {
    const LeaseRecord* lease = leases_.Find(id);
    const std::int64_t ttl_s = lease == nullptr ? 0 : lease->ttl_s;
    result.ttls_s.push_back(ttl_s);
    if (ttl_s > 0) SetLease(id, {ttl_s, meta_.time_ms + ttl_s * kMsPerSecond});
  }
  return absl::OkStatus();
}

absl::Status Model::Do(const TickRequest&, Outcome* outcome) {
  auto& result = outcome->result.emplace<TickResult>();
  for (int i = 0; i < kLeasesExpiredPerTick; ++i) {
    const auto due = leases_.Due(meta_);
    if (!due) break;
    TRIREME_RETURN_IF_ERROR(Revoke(*due, outcome));
    result.expired.push_back(*due);
  }
  return absl::OkStatus();
}

absl::Status Model::Do(const ExtendLeasesRequest& request, Outcome*) {
  const std::int64_t extend_ms = std::clamp<std::int64_t>(request.extend_ms, 0, kExtendMsMax);
  meta_.lease_floor_ms = std::max(meta_.lease_floor_ms, meta_.time_ms + extend_ms);
  return absl::OkStatus();
}

absl::Status Model::Do(const NoteRequest& request, Outcome*) {
  const std::string key = NoteKey(request.name);
  request.value.empty() ? store_.Erase(key) : store_.Put(key, request.value);
  return absl::OkStatus();
}

/// See docs/formats/kv-store.md: what the change replaced goes, and with it, when it is older than
/// the compaction, its tombstone and its place in history.
void Model::SweepOne(const Revision& at, const RevisionRecord& change) {
  const auto erase_version = [&](const Revision& revision) {
    work_.key_buffer.clear();
    AppendKeyPrefix(work_.key_buffer, change.key);
    AppendNewestFirst(work_.key_buffer, revision);
    store_.Erase(work_.key_buffer);
  };
  if (change.previous && change.previous->main < meta_.compacted) erase_version(*change.previous);
  if (at.main == meta_.compacted) return;
  if (change.tombstone) erase_version(at);
  store_.Erase(RevisionKey(at));
}

absl::StatusOr<bool> Model::Sweep(std::size_t changes_max) {
  if (meta_.swept >= meta_.compacted) return false;
  std::vector<std::pair<Revision, std::string>> changes;
  for (iterator_->Seek(RevisionKey(swept_to_)); iterator_->Valid(); iterator_->Next()) {
    const auto revision = ParseRevisionKey(iterator_->key());
    if (!revision || revision->main > meta_.compacted || changes.size() == changes_max) break;
    changes.emplace_back(*revision, iterator_->value());
  }
  TRIREME_RETURN_IF_ERROR(iterator_->status());
  for (const auto& [revision, value] : changes) {
    const auto change = DecodeRevision(revision.main, value);
    if (!change) return Damaged(RevisionKey(revision));
    SweepOne(revision, *change);
  }
  const bool more = changes.size() == changes_max;
  swept_to_ = more ? Revision{changes.back().first.main, changes.back().first.sub + 1}
                   : Revision{meta_.compacted, 0};
  // Changes of the compaction's own revision stay, so a restart must find them again.
  meta_.swept = more ? std::min(swept_to_.main, meta_.compacted - 1) : meta_.compacted;
  return more;
}

}  // namespace trireme::kv::inline engine
