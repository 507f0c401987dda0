// What is done beside writing: moving old entries, freeing segments and snapshots, spare segments.
#include <algorithm>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/log/log_state.h"

namespace trireme::raft {
namespace {

/// Entries moved by one frame.
constexpr std::uint64_t kMoveBytesMax = 1u << 20;

/// Without a write between them, one a second: from then on surplus segments are removed.
constexpr std::uint32_t kIdleCallsMin = 60;

bool IsFullDisk(const absl::Status& status) {
  return status.code() == absl::StatusCode::kResourceExhausted;
}

}  // namespace

absl::Status Log::State::Housekeep() {
  const std::lock_guard housekeep_lock(housekeep_mutex_);
  TRIREME_RETURN_IF_ERROR(poisoned());
  {
    const std::lock_guard lock(mutex_);
    last_kept_ = {FirstNeeded(), active_->block.number};
  }
  if (const absl::Status moved = MoveOldEntries(); !moved.ok() && !IsFullDisk(moved)) return moved;
  std::uint64_t free_below = 0;
  bool idle = false;
  TRIREME_RETURN_IF_ERROR(AnnounceAndSeal(&free_below, &idle));
  TRIREME_RETURN_IF_ERROR(FreeSegments(free_below));
  TRIREME_RETURN_IF_ERROR(RemoveOldSnapshots());
  idle_calls_ = idle ? idle_calls_ + 1 : 0;
  if (idle_calls_ >= kIdleCallsMin) TRIREME_RETURN_IF_ERROR(RemoveSurplusSpare());
  return PrepareSpares();
}

/// A segment has been used up, or some have become free: spare ones should be there before the next
/// is used up, which may be long before a second is over. To make one then would hold up all that
/// is to be written: of 64 MiB, for a third of a second.
bool Log::State::WantsHousekeeping() const {
  const std::lock_guard lock(mutex_);
  return poisoned_.ok() && std::pair(FirstNeeded(), active_->block.number) != last_kept_;
}

bool Log::State::WantsMoving() const {
  const std::lock_guard lock(mutex_);
  const std::uint64_t bytes = segments_.size() * options_.segment_bytes;
  return segments_.size() > options_.pinned_segments_max &&
         table_.use().live_bytes() <= bytes / 2 && table_.use().uses(segments_.begin()->first);
}

absl::Status Log::State::MoveOldEntries() {
  if (!WantsMoving()) return absl::OkStatus();
  std::uint64_t oldest = 0;
  {
    const std::lock_guard lock(mutex_);
    oldest = segments_.begin()->first;
  }
  for (const auto& [group, extent] : ExtentsOf(oldest))
    TRIREME_RETURN_IF_ERROR(MoveExtent(group, extent));
  return absl::OkStatus();
}

std::vector<std::pair<GroupId, Extent>> Log::State::ExtentsOf(std::uint64_t segment) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::pair<GroupId, Extent>> found;
  for (const auto& [group, state] : table_.groups()) {
    for (const Extent& extent : state.extents) {
      if (extent.place.segment == segment) found.emplace_back(group, extent);
    }
  }
  return found;
}

absl::Status Log::State::MoveExtent(GroupId group, Extent extent) {
  for (;;) {
    TRIREME_ASSIGN_OR_RETURN(const bool more, MoveFront(group, &extent));
    if (!more) return absl::OkStatus();
  }
}

/// Moves entries from the extent's front, and it on; false when nothing is left of it.
absl::StatusOr<bool> Log::State::MoveFront(GroupId group, Extent* extent) {
  ReadPlan plan{.group = group, .first = extent->run.first, .last = extent->run.last};
  plan.extents.push_back(*extent);
  {
    const std::lock_guard lock(mutex_);
    plan.segments.insert(*segments_.find(extent->place.segment));
  }
  std::vector<Entry> entries;
  TRIREME_RETURN_IF_ERROR(ReadEntries(plan, kMoveBytesMax, &entries));
  GroupChange change{.group = group, .moved = true};
  for (const Entry& entry : entries)
    AddToRuns(entry.index, entry.term, entry.kind, entry.data.size(), change.runs);

  const std::lock_guard write_lock(write_mutex_);
  const GroupState* const state = table_.Find(group);
  // Meanwhile they may have been dropped, or replaced by others.
  for (const Entry& entry : {entries.front(), entries.back()}) {
    if (state == nullptr) return false;
    const auto now = state->Find(entry.index);
    if (now == state->extents.end() || now->place.segment != extent->place.segment ||
        now->place.offset != extent->place.offset)
      return false;
  }
  builder_.Begin(/*checkpoint=*/false, first_announced_, 1);
  builder_.Add(change, entries);
  TRIREME_RETURN_IF_ERROR(MakeRoom(builder_.frame_bytes(), /*may_use_reserve=*/false));
  TRIREME_RETURN_IF_ERROR(Commit(builder_, std::span(&change, 1)).status());
  extent->run.first = change.runs.back().last + 1;
  return extent->run.first <= extent->run.last;
}

/// Writes a frame that says which segments are not needed, if there are new ones, or that all is
/// durable, if nothing has been written for a while; then syncs. Segments below *free_below may go.
absl::Status Log::State::AnnounceAndSeal(std::uint64_t* free_below, bool* is_idle) {
  {
    const std::lock_guard write_lock(write_mutex_);
    const bool idle = written_ == written_when_last_kept_;
    const std::uint64_t needed = FirstNeeded();
    if (needed > first_announced_ || (idle && !sealed_)) {
      if (idle) TRIREME_RETURN_IF_ERROR(Sync().status());
      const absl::Status status = WriteEmpty(needed);
      if (!status.ok() && !IsFullDisk(status)) return status;
      sealed_ = idle && status.ok();
    }
    *is_idle = idle;
    *free_below = first_announced_;
    written_when_last_kept_ = written_;
  }
  return Sync().status();
}

absl::Status Log::State::FreeSegments(std::uint64_t below) {
  {
    const std::lock_guard write_lock(write_mutex_);
    const std::lock_guard lock(mutex_);
    while (segments_.begin()->first < below) {
      retired_.push_back(std::move(segments_.begin()->second));
      segments_.erase(segments_.begin());
    }
  }
  std::vector<std::string> spares;
  const auto freed = std::stable_partition(retired_.begin(), retired_.end(),
                                           [](const SegmentPtr& s) { return s.use_count() > 1; });
  if (freed == retired_.end()) return absl::OkStatus();
  absl::Status status;
  for (auto at = freed; at != retired_.end() && status.ok(); ++at) status = FreeFile(**at, &spares);
  if (status.ok()) status = disk_.SyncDirectory(options_.directory);
  if (!status.ok()) return Poison(status);
  retired_.erase(freed, retired_.end());
  // Not before: under its old name, a file must hold the old segment.
  const std::lock_guard lock(mutex_);
  spares_.insert(spares_.end(), spares.begin(), spares.end());
  return absl::OkStatus();
}

absl::Status Log::State::FreeFile(const Segment& segment, std::vector<std::string>* spares) {
  std::string spare;
  {
    const std::lock_guard lock(mutex_);
    if (spares_.size() + spares->size() < spares_max() &&
        segment.block.segment_bytes == options_.segment_bytes)
      spare = Path(SpareName(next_spare_++));
  }
  if (spare.empty()) return disk_.Remove(segment.path);
  spares->push_back(spare);
  return disk_.Rename(segment.path, spare);
}

absl::Status Log::State::RemoveOldSnapshots() {
  std::vector<std::string> gone;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(old_snapshots_, [&](const OldSnapshot& old) {
      if (old.batch > durable_) return false;
      gone.push_back(Path(SnapshotName(old.group, old.last)));
      return true;
    });
    std::erase_if(snapshot_files_, [&](const auto& open) {
      const GroupState* const state = table_.Find(open.first);
      return state == nullptr || state->snapshot.last != open.second.first;
    });
  }
  for (const std::string& path : gone) TRIREME_RETURN_IF_ERROR(disk_.Remove(path));
  return absl::OkStatus();
}

absl::Status Log::State::RemoveSurplusSpare() {
  std::string surplus;
  {
    const std::lock_guard lock(mutex_);
    if (spares_.size() <= options_.spare_segments) return absl::OkStatus();
    surplus = std::move(spares_.back());
    spares_.pop_back();
  }
  return disk_.Remove(surplus);
}

/// Not one more when a segment has been used up or become free meanwhile: what is free is there at
/// once, and to make one takes as long as a log in full flow needs to use one up.
absl::Status Log::State::PrepareSpares() {
  for (bool made = false; !made || !WantsHousekeeping(); made = true) {
    std::string spare;
    {
      const std::lock_guard lock(mutex_);
      if (spares_.size() >= options_.spare_segments) return absl::OkStatus();
      spare = Path(SpareName(next_spare_++));
    }
    const std::string temporary = Path(fmt::format("{}spare", kTemporaryPrefix));
    TRIREME_RETURN_IF_ERROR(CreateZeroFilled(disk_, temporary, options_.segment_bytes));
    TRIREME_RETURN_IF_ERROR(disk_.Rename(temporary, spare));
    const std::lock_guard lock(mutex_);
    spares_.push_back(spare);
  }
  return absl::OkStatus();
}

}  // namespace trireme::raft
