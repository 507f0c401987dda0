#include "raft/log/log.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/log/log_state.h"

namespace trireme::raft {

Log::Log(std::unique_ptr<State> state) : state_(std::move(state)) {}
Log::~Log() = default;

absl::StatusOr<Log::Opened> Log::Open(const LogOptions& options, io::Disk* disk) {
  TRIREME_RETURN_IF_ERROR(Validate(options));
  auto state = std::make_unique<State>(options, disk);
  Opened opened;
  TRIREME_RETURN_IF_ERROR(state->Start(&opened));
  opened.log.reset(new Log(std::move(state)));
  return opened;
}

absl::StatusOr<BatchNumber> Log::Write(std::span<const GroupWrite> groups) {
  return state_->Write(groups);
}
std::uint64_t Log::batch_bytes_max() const {
  return state_->batch_bytes_max();
}
absl::StatusOr<BatchNumber> Log::Sync() {
  return state_->Sync();
}
absl::StatusOr<std::vector<Entry>> Log::Read(GroupId group, Index first, Index last,
                                             std::uint64_t bytes_max) const {
  return state_->Read(group, first, last, bytes_max);
}
absl::StatusOr<std::unique_ptr<SnapshotWriter>> Log::CreateSnapshot(GroupId group,
                                                                    LogPosition last) {
  return state_->CreateSnapshot(group, last);
}
absl::StatusOr<SharedBytes> Log::ReadSnapshot(GroupId group, Index snapshot, std::uint64_t offset,
                                              std::uint64_t bytes_max) const {
  return state_->ReadSnapshot(group, snapshot, offset, bytes_max);
}
absl::Status Log::Housekeep() {
  return state_->Housekeep();
}

bool Log::bypasses_cache() const {
  return state_->BypassesCache();
}
bool Log::wants_housekeeping() const {
  return state_->WantsHousekeeping();
}
bool Log::fatal() const {
  return state_->fatal();
}
LogStats Log::Stats() const {
  return state_->Stats();
}

Log::State::State(const LogOptions& options, io::Disk* disk)
    : options_(options), disk_(*disk), table_(options.index_points_max) {}

/// The last batches are told durable by one more, so that damage to them is not taken for a crash.
Log::State::~State() {
  const std::lock_guard write_lock(write_mutex_);
  if (active_ == nullptr || !poisoned().ok() || sealed_) return;
  if (Sync().ok() && WriteEmpty(first_announced_).ok()) Sync().status().IgnoreError();
}

bool Log::State::BypassesCache() const {
  const std::lock_guard lock(mutex_);
  return active_->file->bypasses_cache();
}

bool Log::State::fatal() const {
  return !poisoned().ok();
}

absl::StatusOr<std::vector<Entry>> Log::State::Read(GroupId group, Index first, Index last,
                                                    std::uint64_t bytes_max) const {
  ReadPlan plan;
  {
    const std::lock_guard lock(mutex_);
    TRIREME_RETURN_IF_ERROR(poisoned_);
    const GroupState* const state = table_.Find(group);
    if (state == nullptr || last < first || state->Find(first) == state->extents.end())
      return absl::OutOfRangeError(fmt::format(
          "group {}: the log does not hold entries [{}, {}]; it holds those after {} up "
          "to {}",
          group.value, first.value, last.value,
          state == nullptr ? 0 : state->dropped_to.index.value,
          state == nullptr ? 0 : state->last_index().value));
    plan = PlanRead(group, *state, segments_, first, last, bytes_max);
  }
  std::vector<Entry> entries;
  TRIREME_RETURN_IF_ERROR(ReadEntries(plan, bytes_max, &entries));
  return entries;
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> Log::State::CreateSnapshot(GroupId group,
                                                                           LogPosition last) {
  {
    const std::lock_guard lock(mutex_);
    TRIREME_RETURN_IF_ERROR(poisoned_);
    const GroupState* const state = table_.Find(group);
    const Index have = state == nullptr ? Index{} : state->snapshot.last.index;
    if (last.index <= have)
      return absl::AlreadyExistsError(
          fmt::format("group {}: a snapshot at {} is wanted, and there is one at {}", group.value,
                      last.index.value, have.value));
  }
  return CreateSnapshotFile(disk_, options_.directory, identity(), group, last);
}

absl::StatusOr<SharedBytes> Log::State::ReadSnapshot(GroupId group, Index snapshot,
                                                     std::uint64_t offset,
                                                     std::uint64_t bytes_max) const {
  LogPosition last;
  std::shared_ptr<const SnapshotFile> file;
  {
    const std::lock_guard lock(mutex_);
    TRIREME_RETURN_IF_ERROR(poisoned_);
    const GroupState* const state = table_.Find(group);
    if (state != nullptr) last = state->snapshot.last;
    if (snapshot == Index{} || last.index != snapshot)
      return absl::NotFoundError(
          fmt::format("group {}: the snapshot at {} is asked for, and the "
                      "latest is at {}",
                      group.value, snapshot.value, last.index.value));
    const auto open = snapshot_files_.find(group);
    if (open != snapshot_files_.end() && open->second.first == last) file = open->second.second;
  }
  if (file == nullptr) {
    const std::string path = Path(SnapshotName(group, last));
    TRIREME_ASSIGN_OR_RETURN(file, SnapshotFile::Open(disk_, path, identity(), group, last));
    const std::lock_guard lock(mutex_);
    snapshot_files_[group] = {last, file};
  }
  TRIREME_ASSIGN_OR_RETURN(std::string bytes, file->Read(offset, bytes_max));
  return SharedBytes::Own(std::move(bytes));
}

LogStats Log::State::Stats() const {
  const std::lock_guard lock(mutex_);
  return {.segments = segments_.size(),
          .spare_segments = spares_.size(),
          .bytes = (segments_.size() + spares_.size()) * options_.segment_bytes,
          .live_bytes = table_.use().live_bytes(),
          .batches = batches_,
          .syncs = syncs_,
          .index_points = table_.use().extents()};
}

}  // namespace trireme::raft
