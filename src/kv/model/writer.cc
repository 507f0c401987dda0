#include "kv/model/writer.h"

#include <limits>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"

namespace trireme::kv::inline engine {

namespace {
constexpr std::int64_t kNewest = std::numeric_limits<std::int64_t>::max();
}

absl::Status Writer::FindNewest(std::string_view key, Found* found) {
  return FindVersion(work_.newest_iterator, key, kNewest, work_.find_buffer, found);
}

absl::Status Writer::FindReplaced(const PutRequest& request, Found* found) {
  const bool value_wanted = request.prev_kv || request.ignore_value;
  if (!value_wanted && work_.newest.Find(request.key, &found->revision, &found->record))
    return absl::OkStatus();
  return FindNewest(request.key, found);
}

/// Both entries of a change (docs/formats/kv-store.md).
void Writer::Write(const RevisionRecord& change, const VersionRecord& version) {
  TRIREME_CHECK(changes_ < std::numeric_limits<std::uint32_t>::max());
  const Revision revision = {begin_ + 1, changes_++};
  work_.key_buffer.clear();
  AppendKeyPrefix(work_.key_buffer, change.key);
  AppendNewestFirst(work_.key_buffer, revision);
  work_.value_buffer.clear();
  AppendVersion(work_.value_buffer, revision.main, version);
  work_.store.Put(work_.key_buffer, work_.value_buffer);
  work_.value_buffer.clear();
  AppendRevision(work_.value_buffer, revision.main, change);
  work_.store.Put(RevisionKey(revision), work_.value_buffer);
  work_.newest.Set(change.key, revision, version);
}

void Writer::Attach(std::string_view key, LeaseId from, LeaseId to) {
  if (from == to) return;
  if (from != kNoLease) work_.store.Erase(AttachmentKey(from, key));
  if (to != kNoLease) work_.store.Put(AttachmentKey(to, key), {});
}

absl::Status Writer::Put(const PutRequest& request, PutResult* result) {
  Found found;
  TRIREME_RETURN_IF_ERROR(FindReplaced(request, &found));
  const VersionRecord& old = found.record;
  if (request.prev_kv && found.live()) result->prev = KeyValue::Of(found.View(request.key));
  VersionRecord record = {.create_revision = begin_ + 1, .version = 1};
  if (found.live()) {
    record.create_revision = old.create_revision;
    record.version = old.version + 1;
  }
  record.lease = request.ignore_lease ? old.lease : request.lease;
  record.value = request.ignore_value ? outcome_.Keep(std::string(old.value)) : request.value;
  RevisionRecord change = {.key = request.key};
  if (found.revision.main != 0) change.previous = found.revision;
  Write(change, record);  // the views of `found` are gone
  Attach(request.key, old.lease, record.lease);
  result->revision = begin_ + 1;
  outcome_.events.push_back({EventType::kPut,
                             {request.key, record.value, record.create_revision, begin_ + 1,
                              record.version, record.lease},
                             record.version == 1});
  return absl::OkStatus();
}

void Writer::Delete(Doomed doomed) {
  const std::string_view key = outcome_.Keep(std::move(doomed.key));
  Write({.tombstone = true, .previous = doomed.previous, .key = key}, {.tombstone = true});
  Attach(key, doomed.lease, kNoLease);
  outcome_.events.push_back({EventType::kDelete, {.key = key, .mod_revision = begin_ + 1}, false});
}

absl::Status Writer::Doom(const DeleteRangeRequest& request, std::vector<Doomed>* doomed,
                          DeleteRangeResult* result) {
  RangeCursor cursor(work_.newest_iterator, request.key, request.end, kNewest);
  for (KeyValueView kv;;) {
    TRIREME_ASSIGN_OR_RETURN(const bool there_is, cursor.Next(&kv));
    if (!there_is) return absl::OkStatus();
    doomed->push_back({std::string(kv.key), cursor.revision(), kv.lease});
    if (request.prev_kv) result->prevs.push_back(KeyValue::Of(kv));
  }
}

absl::Status Writer::DeleteRange(const DeleteRangeRequest& request, DeleteRangeResult* result) {
  std::vector<Doomed> doomed;
  TRIREME_RETURN_IF_ERROR(Doom(request, &doomed, result));
  for (Doomed& one : doomed) Delete(std::move(one));
  result->deleted = std::ssize(doomed);
  result->revision = current();
  return absl::OkStatus();
}

absl::Status Writer::DeleteAttached(LeaseId id) {
  const std::string prefix = AttachmentPrefix(id);
  std::vector<Doomed> doomed;
  StoreIterator& it = work_.iterator;
  for (it.Seek(prefix); it.Valid() && it.key().starts_with(prefix); it.Next())
    doomed.push_back({std::string(it.key().substr(prefix.size())), {}, id});
  TRIREME_RETURN_IF_ERROR(it.status());
  for (Doomed& one : doomed) {
    Found found;
    TRIREME_RETURN_IF_ERROR(FindNewest(one.key, &found));
    if (!found.live()) return Damaged(AttachmentKey(id, one.key));
    one.previous = found.revision;
    Delete(std::move(one));
  }
  return absl::OkStatus();
}

}  // namespace trireme::kv::inline engine
