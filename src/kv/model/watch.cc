#include "kv/model/watch.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"

namespace trireme::kv::inline engine {
namespace {

std::string_view KeyOf(const WatchSpec& spec) {
  return spec.key.empty() ? kFromKey : spec.key;
}

/// Whether `end`, in which empty stands for none, is past `key`.
bool Past(std::string_view end, std::string_view key) {
  return end.empty() || key < end;
}

bool Wants(const WatchSpec& spec, const RevisionRecord& change) {
  if (change.tombstone ? spec.no_delete : spec.no_put) return false;
  if (spec.end.empty()) return change.key == KeyOf(spec);
  return change.key >= KeyOf(spec) && (spec.end == kFromKey || change.key < spec.end);
}

/// Reads versions while another iterator runs through the changes.
class EventReader {
 public:
  EventReader(const ReadView& view, bool prev_kv)
      : view_(view), prev_kv_(prev_kv), iterator_(view.store().NewIterator()) {}

  /// False when the version is gone: it was of the compacted revision and replaced within it.
  absl::StatusOr<bool> Read(Revision at, const RevisionRecord& change, WatchEvent* event) {
    event->kv = {.key = std::string(change.key), .mod_revision = at.main};
    if (change.tombstone) {
      event->type = EventType::kDelete;
    } else {
      buffer_.clear();
      AppendKeyPrefix(buffer_, change.key);
      const std::size_t prefix_size = buffer_.size();
      AppendNewestFirst(buffer_, at);
      iterator_->SeekWithin(buffer_, std::string_view(buffer_).substr(0, prefix_size));
      TRIREME_RETURN_IF_ERROR(iterator_->status());
      if (!iterator_->Valid() || iterator_->key() != buffer_) return false;
      const auto record = DecodeVersion(at.main, iterator_->value());
      if (!record) return Damaged(iterator_->key());
      event->kv = KeyValue::Of(Found{at, *record}.View(change.key));
    }
    if (prev_kv_ && event->kv.create_revision != at.main)
      TRIREME_RETURN_IF_ERROR(PreviousOf(view_, change.key, at.main, &event->prev));
    return true;
  }

 private:
  const ReadView& view_;
  bool prev_kv_;
  std::unique_ptr<StoreIterator> iterator_;
  std::string buffer_;
};

}  // namespace

bool EmptyRange(const WatchSpec& spec) {
  return !spec.end.empty() && spec.end != kFromKey && KeyOf(spec) >= spec.end;
}

WatchStart StartOf(const WatchSpec& spec, std::int64_t current) {
  const std::int64_t next = spec.start_revision <= 0 ? current + 1 : spec.start_revision;
  return {next, next <= current};
}

absl::Status PreviousOf(const ReadView& view, std::string_view key, std::int64_t mod_revision,
                        std::optional<KeyValue>* prev) {
  if (mod_revision <= 1) return absl::OkStatus();
  RangeSummary summary;
  return view.Range(
      {.key = key, .revision = mod_revision - 1},
      [prev](const KeyValueView& kv) { *prev = KeyValue::Of(kv); }, &summary);
}

absl::Status ReadHistory(const ReadView& view, const WatchSpec& spec, std::int64_t from,
                         std::size_t bytes_max, std::size_t changes_max, History* history) {
  *history = {.next = from, .compacted = from < view.meta().compacted};
  if (history->compacted) return absl::OkStatus();
  EventReader reader(view, spec.prev_kv);
  const auto changes = view.store().NewIterator();
  std::size_t bytes = 0, looked_at = 0;
  for (changes->Seek(RevisionKey({from, 0})); changes->Valid(); changes->Next(), ++looked_at) {
    const auto revision = ParseRevisionKey(changes->key());
    if (!revision) break;
    if (revision->main > history->next && (bytes >= bytes_max || looked_at >= changes_max)) {
      history->next = revision->main;
      return absl::OkStatus();
    }
    history->next = revision->main;
    const auto change = DecodeRevision(revision->main, changes->value());
    if (!change) return Damaged(changes->key());
    if (!Wants(spec, *change)) continue;
    WatchEvent event;
    TRIREME_ASSIGN_OR_RETURN(const bool there, reader.Read(*revision, *change, &event));
    if (!there) continue;
    bytes += event.kv.key.size() + event.kv.value.size();
    history->events.push_back(std::move(event));
  }
  TRIREME_RETURN_IF_ERROR(changes->status());
  history->next = std::max(from, view.meta().revision + 1);
  return absl::OkStatus();
}

void WatchIndex::Add(WatchId id, const WatchSpec& spec, std::int64_t next) {
  Place place = {std::string(KeyOf(spec)), spec.end};
  if (place.end.empty()) {
    keys_[place.key].push_back({id, next, spec.no_put, spec.no_delete});
  } else {
    // No end sorts and reads as the empty one from here on.
    const std::string end = place.end == kFromKey ? std::string() : place.end;
    Group& group = ranges_[{place.key, end}];
    fresh_ = fresh_ && !group.empty();
    group.push_back({id, next, spec.no_put, spec.no_delete});
  }
  watches_.emplace(id, std::move(place));
}

bool WatchIndex::Remove(WatchId id) {
  const auto it = watches_.find(id);
  if (it == watches_.end()) return false;
  const Place& place = it->second;
  const auto is_it = [id](const Watch& watch) { return watch.id == id; };
  if (place.end.empty()) {
    const auto group = keys_.find(place.key);
    std::erase_if(group->second, is_it);
    if (group->second.empty()) keys_.erase(group);
  } else {
    const auto group = ranges_.find({place.key, place.end == kFromKey ? std::string() : place.end});
    std::erase_if(group->second, is_it);
    fresh_ = false;
    if (group->second.empty()) ranges_.erase(group);
  }
  watches_.erase(it);
  return true;
}

void WatchIndex::MatchGroup(const Group& group, const Event& event,
                            absl::FunctionRef<void(WatchId)> found) {
  for (const Watch& watch : group) {
    const bool filtered = event.type == EventType::kDelete ? watch.no_delete : watch.no_put;
    if (!filtered && event.kv.mod_revision >= watch.next) found(watch.id);
  }
}

void WatchIndex::Match(const Event& event, absl::FunctionRef<void(WatchId)> found) {
  if (const auto it = keys_.find(event.kv.key); it != keys_.end())
    MatchGroup(it->second, event, found);
  if (!fresh_) Rebuild();
  MatchRanges(0, intervals_.size(), event, found);
}

void WatchIndex::Rebuild() {
  intervals_.clear();
  for (const auto& [range, group] : ranges_)
    intervals_.push_back({range.first, range.second, {}, &group});
  SetLast(0, intervals_.size());
  fresh_ = true;
}

std::string_view WatchIndex::SetLast(std::size_t from, std::size_t to) {
  const std::size_t middle = from + (to - from) / 2;
  if (from == to) return kFromKey;  // no key's end is before it
  std::string_view last = intervals_[middle].end;
  for (const std::string_view below : {SetLast(from, middle), SetLast(middle + 1, to)})
    last = last.empty() || below.empty() ? std::string_view() : std::max(last, below);
  return intervals_[middle].last = last;
}

/// Those that begin at or before the key and end past it.
void WatchIndex::MatchRanges(std::size_t from, std::size_t to, const Event& event,
                             absl::FunctionRef<void(WatchId)> found) const {
  if (from == to) return;
  const std::size_t middle = from + (to - from) / 2;
  const Interval& interval = intervals_[middle];
  if (!Past(interval.last, event.kv.key)) return;
  MatchRanges(from, middle, event, found);
  if (event.kv.key < interval.key) return;
  if (Past(interval.end, event.kv.key)) MatchGroup(*interval.group, event, found);
  MatchRanges(middle + 1, to, event, found);
}

}  // namespace trireme::kv::inline engine
