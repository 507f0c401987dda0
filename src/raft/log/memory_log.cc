#include "raft/log/memory_log.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::raft {

class MemoryLog::Writer final : public SnapshotWriter {
 public:
  Writer(MemoryLog* log, GroupId group, LogPosition last) : log_(log), group_(group), last_(last) {}
  absl::Status Append(std::string_view bytes) override {
    bytes_.append(bytes);
    return absl::OkStatus();
  }
  std::uint64_t size_bytes() const override { return bytes_.size(); }
  absl::Status Finish() override {
    const std::lock_guard lock(log_->mutex_);
    log_->groups_[group_].finished[last_.index] = SharedBytes::Own(bytes_);
    return absl::OkStatus();
  }

 private:
  MemoryLog* log_;
  GroupId group_;
  LogPosition last_;
  std::string bytes_;
};

const Entry* MemoryLog::Stored::Find(Index index) const {
  if (index <= dropped_to.index || index > last().index) return nullptr;
  return &entries[index - dropped_to.index - 1];
}

absl::Status MemoryLog::Check(const GroupWrite& write, const Stored& stored) {
  const auto refuse = [&](const char* why) {
    return absl::InvalidArgumentError(
        fmt::format("group {}: {}; nothing is written", write.group.value, why));
  };
  LogPosition dropped_to = stored.dropped_to;
  Index last = stored.last().index;
  if (write.snapshot) {
    const LogPosition at = write.snapshot->last;
    if (at.index < stored.snapshot.last.index) return refuse("a snapshot older than the latest");
    if (at.index > stored.snapshot.last.index && !stored.finished.contains(at.index)) {
      return refuse("a snapshot that is not finished");
    }
    const Entry* same = stored.Find(at.index);
    const bool kept = at == dropped_to || (same != nullptr && same->term == at.term);
    if (!kept) {
      dropped_to = at;
      last = at.index;
    }
  }
  const Index snapshot = write.snapshot ? write.snapshot->last.index : stored.snapshot.last.index;
  if (write.drop_to > snapshot) return refuse("entries are dropped that no snapshot covers");
  dropped_to.index = std::max(dropped_to.index, write.drop_to);
  if (write.entries.empty()) return absl::OkStatus();
  Index next = write.entries.front().index;
  if (next <= dropped_to.index || next > std::max(last, dropped_to.index) + 1) {
    return refuse("entries that do not follow on its log");
  }
  for (const Entry& entry : write.entries) {
    if (entry.index != next) return refuse("entries with a gap");
    ++next;
  }
  return absl::OkStatus();
}

void MemoryLog::Drop(Index to, Stored& stored) {
  while (!stored.entries.empty() && stored.entries.front().index <= to) {
    stored.dropped_to = PositionOf(stored.entries.front());
    stored.entries.pop_front();
  }
}

void MemoryLog::Install(const LogSnapshot& snapshot, Stored& stored) {
  const LogPosition at = snapshot.last;
  const Entry* same = stored.Find(at.index);
  if (at != stored.dropped_to && (same == nullptr || same->term != at.term)) {
    stored.entries.clear();
    stored.dropped_to = at;
  }
  stored.snapshot = snapshot;
  stored.finished.erase(stored.finished.begin(), stored.finished.lower_bound(at.index));
}

void MemoryLog::Apply(const GroupWrite& write, Stored& stored) {
  if (write.hard_state) stored.hard_state = *write.hard_state;
  if (write.snapshot) Install(*write.snapshot, stored);
  Drop(write.drop_to, stored);
  if (write.entries.empty()) return;
  while (!stored.entries.empty() && stored.entries.back().index >= write.entries[0].index) {
    stored.entries.pop_back();
  }
  stored.entries.insert(stored.entries.end(), write.entries.begin(), write.entries.end());
}

absl::StatusOr<BatchNumber> MemoryLog::Write(std::span<const GroupWrite> groups) {
  const std::lock_guard lock(mutex_);
  static const Stored kNothing;
  std::map<GroupId, int> seen;
  for (const GroupWrite& write : groups) {
    // The second part of a group is checked against what the first makes of it.
    if (write.forget || seen[write.group]++ > 0) continue;
    const auto at = groups_.find(write.group);
    TRIREME_RETURN_IF_ERROR(Check(write, at == groups_.end() ? kNothing : at->second));
  }
  for (const GroupWrite& write : groups) {
    if (write.forget) {
      groups_.erase(write.group);
      continue;
    }
    Stored& stored = groups_[write.group];
    TRIREME_RETURN_IF_ERROR(Check(write, stored));
    Apply(write, stored);
  }
  return BatchNumber{++batches_};
}

absl::StatusOr<BatchNumber> MemoryLog::Sync() {
  const std::lock_guard lock(mutex_);
  return BatchNumber{batches_};
}

absl::StatusOr<std::vector<Entry>> MemoryLog::Read(GroupId group, Index first, Index last,
                                                   std::uint64_t bytes_max) const {
  const std::lock_guard lock(mutex_);
  const auto at = groups_.find(group);
  if (at == groups_.end() || last < first || at->second.Find(first) == nullptr) {
    return absl::OutOfRangeError(
        fmt::format("group {}: the log does not hold entry {}", group.value, first.value));
  }
  std::vector<Entry> entries;
  std::uint64_t bytes = 0;
  for (Index i = first; i <= std::min(last, at->second.last().index); ++i) {
    const Entry& entry = *at->second.Find(i);
    bytes += entry.data.size();
    if (!entries.empty() && bytes > bytes_max) break;
    entries.push_back(entry);
  }
  return entries;
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> MemoryLog::CreateSnapshot(GroupId group,
                                                                          LogPosition last) {
  const std::lock_guard lock(mutex_);
  const auto at = groups_.find(group);
  if (at != groups_.end() && at->second.snapshot.last.index >= last.index) {
    return absl::AlreadyExistsError(fmt::format("group {}: there is a snapshot at {} already",
                                                group.value, at->second.snapshot.last.index.value));
  }
  return std::make_unique<Writer>(this, group, last);
}

absl::StatusOr<SharedBytes> MemoryLog::ReadSnapshot(GroupId group, Index snapshot,
                                                    std::uint64_t offset,
                                                    std::uint64_t bytes_max) const {
  const std::lock_guard lock(mutex_);
  const auto at = groups_.find(group);
  const Index have = at == groups_.end() ? Index{} : at->second.snapshot.last.index;
  if (snapshot == Index{} || have != snapshot) {
    return absl::NotFoundError(fmt::format("group {}: no snapshot at {}; the latest is at {}",
                                           group.value, snapshot.value, have.value));
  }
  const SharedBytes& bytes = at->second.finished.at(snapshot);
  const std::size_t begin = std::min<std::uint64_t>(offset, bytes.size());
  return bytes.Slice(bytes.view().substr(begin, bytes_max));
}

std::vector<RecoveredGroup> MemoryLog::Recover() const {
  const std::lock_guard lock(mutex_);
  std::vector<RecoveredGroup> found;
  for (const auto& [id, stored] : groups_) {
    RecoveredGroup group;
    group.group = id;
    group.hard_state = stored.hard_state;
    group.snapshot = stored.snapshot;
    group.dropped_to = stored.dropped_to;
    group.last = stored.last();
    group.entries.assign(stored.entries.begin(), stored.entries.end());
    found.push_back(std::move(group));
  }
  return found;
}

}  // namespace trireme::raft
