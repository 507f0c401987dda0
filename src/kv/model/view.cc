#include "kv/model/view.h"

#include <algorithm>

#include "base/crc32c.h"
#include "base/status_macros.h"

namespace trireme::kv::inline engine {
namespace {

constexpr std::int64_t kMsPerSecond = 1000;

absl::StatusOr<std::vector<std::string>> AttachedKeys(StoreIterator& iterator, LeaseId id) {
  const std::string prefix = AttachmentPrefix(id);
  std::vector<std::string> keys;
  for (iterator.Seek(prefix); iterator.Valid() && iterator.key().starts_with(prefix);
       iterator.Next()) {
    keys.emplace_back(iterator.key().substr(prefix.size()));
  }
  TRIREME_RETURN_IF_ERROR(iterator.status());
  return keys;
}

absl::StatusOr<std::vector<std::pair<LeaseId, LeaseRecord>>> AllLeases(StoreIterator& iterator) {
  std::vector<std::pair<LeaseId, LeaseRecord>> leases;
  for (iterator.Seek({&kLeaseTag, 1}); iterator.Valid() && iterator.key()[0] == kLeaseTag;
       iterator.Next()) {
    const auto id = ParseLeaseKey(iterator.key());
    const auto record = DecodeLease(iterator.value());
    if (!id || !record) return Damaged(iterator.key());
    leases.emplace_back(*id, *record);
  }
  TRIREME_RETURN_IF_ERROR(iterator.status());
  return leases;
}

/// Says of each version, which come newest first by key, whether it counts.
class HashRule {
 public:
  HashRule(std::int64_t at, std::int64_t compacted) : at_(at), compacted_(compacted) {}

  bool Counts(const VersionKey& key, bool tombstone) {
    if (key.prefix != prefix_) {
      prefix_.assign(key.prefix);
      seen_compacted_ = false;
    }
    if (key.revision.main > at_) return false;
    if (key.revision.main > compacted_) return true;
    if (std::exchange(seen_compacted_, true)) return false;
    return !tombstone;
  }

 private:
  std::int64_t at_, compacted_;
  std::string prefix_;
  bool seen_compacted_ = false;  ///< The key's version at the compaction.
};

}  // namespace

std::int64_t LeaseEndMs(const LeaseRecord& lease, const Meta& meta) {
  return std::max(lease.expiry_ms, meta.lease_floor_ms + lease.ttl_s * kMsPerSecond);
}

std::unique_ptr<StoreIterator> ReadView::IteratorAt(std::int64_t revision) const {
  const bool old = revision > 0 && revision < meta_.revision;
  return old ? store_->NewIterator() : store_->NewNewestIterator();
}

absl::Status ReadView::Range(const RangeRequest& request, KeyValueSink sink,
                             RangeSummary* summary) const {
  const auto iterator = IteratorAt(request.revision);
  return Reads(*iterator, *iterator, meta_.revision, meta_.compacted).Range(request, sink, summary);
}

absl::Status ReadView::Range(const RangeRequest& request, Error* error, RangeResult* result) const {
  const auto iterator = IteratorAt(request.revision);
  return Reads(*iterator, *iterator, meta_.revision, meta_.compacted).Range(request, error, result);
}

absl::Status ReadView::Txn(const TxnRequest& request, Error* error, TxnResult* result) const {
  const auto newest = store_->NewNewestIterator(), all = store_->NewIterator();
  Reads reads(*newest, *all, meta_.revision, meta_.compacted);
  std::vector<bool> path;
  TRIREME_RETURN_IF_ERROR(reads.Path(request, &path));
  TRIREME_ASSIGN_OR_RETURN(*error, CheckLeaves(request, path, [this](const RequestOp& op) {
    return CheckRevision(op, meta_.revision, meta_.compacted);
  }));
  if (*error != Error::kNone) return absl::OkStatus();
  result->revision = meta_.revision;
  return RunTxn(
      request, path,
      [&](const RequestOp& op, ResponseOp* response) {
        return reads.Range(std::get<RangeRequest>(op.request), error,
                           &response->response.emplace<RangeResult>());
      },
      result);
}

absl::StatusOr<LeaseStatus> ReadView::TimeToLive(LeaseId id, std::int64_t now_ms, bool keys) const {
  const auto iterator = store_->NewIterator();
  const std::string key = LeaseKey(id);
  iterator->Seek(key);
  TRIREME_RETURN_IF_ERROR(iterator->status());
  if (!iterator->Valid() || iterator->key() != key) return LeaseStatus{.ttl_s = -1};
  const auto record = DecodeLease(iterator->value());
  if (!record) return Damaged(key);
  const std::int64_t left_ms = LeaseEndMs(*record, meta_) - std::max(now_ms, meta_.time_ms);
  LeaseStatus status = {true, record->ttl_s, std::max<std::int64_t>(left_ms, 0) / kMsPerSecond, {}};
  if (keys) {
    TRIREME_ASSIGN_OR_RETURN(status.keys, AttachedKeys(*iterator, id));
  }
  return status;
}

absl::StatusOr<std::vector<LeaseId>> ReadView::Leases() const {
  const auto iterator = store_->NewIterator();
  TRIREME_ASSIGN_OR_RETURN(auto leases, AllLeases(*iterator));
  std::vector<std::pair<std::int64_t, LeaseId>> by_end;
  for (const auto& [id, record] : leases) by_end.emplace_back(LeaseEndMs(record, meta_), id);
  std::ranges::sort(by_end);
  std::vector<LeaseId> ids;
  for (const auto& [end, id] : by_end) ids.push_back(id);
  return ids;
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> ReadView::Notes(
    std::string_view prefix) const {
  std::vector<std::pair<std::string, std::string>> notes;
  const std::string from = NoteKey(prefix);
  const auto iterator = store_->NewIterator();
  for (iterator->Seek(from); iterator->Valid() && iterator->key().starts_with(from);
       iterator->Next())
    notes.emplace_back(iterator->key().substr(1), iterator->value());
  TRIREME_RETURN_IF_ERROR(iterator->status());
  return notes;
}

absl::StatusOr<StateHash> ReadView::Hash(std::int64_t revision) const {
  const std::int64_t at = revision <= 0 ? meta_.revision : revision;
  StateHash result = {.revision = at, .compacted = meta_.compacted};
  if (at > meta_.revision) result.error = Error::kFutureRevision;
  if (at < meta_.compacted) result.error = Error::kCompacted;
  if (result.error != Error::kNone) return result;
  const auto iterator = store_->NewIterator();
  HashRule rule(at, meta_.compacted);
  for (iterator->Seek({&kVersionTag, 1}); iterator->Valid() && iterator->key()[0] == kVersionTag;
       iterator->Next()) {
    const auto key = ParseVersionKey(iterator->key());
    const auto record = key ? DecodeVersion(key->revision.main, iterator->value()) : std::nullopt;
    if (!record) return Damaged(iterator->key());
    if (!rule.Counts(*key, record->tombstone)) continue;
    result.hash = Crc32c(iterator->value(), Crc32c(iterator->key(), result.hash));
  }
  TRIREME_RETURN_IF_ERROR(iterator->status());
  return result;
}

}  // namespace trireme::kv::inline engine
