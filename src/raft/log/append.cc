// Writing: plan, make room, write, take in.
#include <algorithm>

#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/log/log_state.h"

namespace trireme::raft {

absl::StatusOr<BatchNumber> Log::State::Write(std::span<const GroupWrite> groups) {
  const std::lock_guard write_lock(write_mutex_);
  TRIREME_RETURN_IF_ERROR(poisoned());
  TRIREME_RETURN_IF_ERROR(PlanAll(groups));
  builder_.Begin(/*checkpoint=*/false, first_announced_, groups.size());
  bool has_entries = false;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    builder_.Add(changes_[i], groups[i].entries);
    has_entries |= !groups[i].entries.empty();
  }
  if (builder_.frame_bytes() > batch_bytes_max())
    return absl::InvalidArgumentError(
        fmt::format("{}: a batch of {} bytes is over the limit of {}; write it in parts, or with "
                    "larger segments",
                    options_.directory, builder_.frame_bytes(), batch_bytes_max()));
  TRIREME_RETURN_IF_ERROR(MakeRoom(builder_.frame_bytes(), /*may_use_reserve=*/!has_entries));
  return Commit(builder_, changes_);
}

absl::Status Log::State::PlanAll(std::span<const GroupWrite> groups) {
  ChangePlanner planner(table_);
  changes_.clear();
  for (const GroupWrite& write : groups) {
    if (write.snapshot && write.snapshot->last.index != Index{})
      TRIREME_RETURN_IF_ERROR(CheckSnapshotFile(write.group, *write.snapshot));
    TRIREME_ASSIGN_OR_RETURN(changes_.emplace_back(), planner.Plan(write));
  }
  const std::uint64_t summaries = table_.checkpoint_bytes() + planner.summary_bytes();
  if (planner.summary_bytes() == 0 || summaries <= options_.segment_bytes / 4)
    return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "{}: terms, votes and configurations of all groups would take {} bytes, over a quarter of a "
      "segment of {}; use larger segments (segment_bytes)",
      options_.directory, summaries, options_.segment_bytes));
}

/// A snapshot that cannot be opened must not be named: the next start would be refused.
absl::Status Log::State::CheckSnapshotFile(GroupId group, const LogSnapshot& snapshot) const {
  const std::string path = Path(SnapshotName(group, snapshot.last));
  const auto file = SnapshotFile::Open(disk_, path, identity(), group, snapshot.last);
  if (file.ok() && (*file)->size_bytes() == snapshot.size_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "group {}: {} is not the finished file of a snapshot of {} bytes{}", group.value, path,
      snapshot.size_bytes, file.ok() ? "" : fmt::format(": {}", file.status().ToString())));
}

absl::Status Log::State::MakeRoom(std::uint64_t bytes, bool may_use_reserve) {
  const std::uint64_t room = active_->block.segment_bytes - append_offset_;
  const std::uint64_t reserve = may_use_reserve ? 0 : options_.reserve_bytes;
  if (bytes + reserve <= room) return absl::OkStatus();
  return Roll();
}

/// RESOURCE_EXHAUSTED leaves all as it was.
absl::Status Log::State::Roll() {
  TRIREME_ASSIGN_OR_RETURN(const std::string spare, TakeSpare());
  TRIREME_RETURN_IF_ERROR(SyncSegment(*active_));
  const SegmentBlock block{.identity = identity(),
                           .number = active_->block.number + 1,
                           .first_batch = written_ + 1,
                           .segment_bytes = options_.segment_bytes,
                           .life = life_};
  auto segment = StartSegment(disk_, options_.directory, spare, block);
  if (!segment.ok()) return Poison(segment.status());
  {
    const std::lock_guard lock(mutex_);
    durable_ = written_;
    segments_.emplace(block.number, *segment);
    active_ = *std::move(segment);
  }
  append_offset_ = kSegmentBlockBytes;
  FrameBuilder checkpoint = Checkpoint();
  return Commit(checkpoint, {}).status();
}

/// A prepared one, or one made now.
absl::StatusOr<std::string> Log::State::TakeSpare() {
  {
    const std::lock_guard lock(mutex_);
    if (!spares_.empty()) {
      std::string path = std::move(spares_.back());
      spares_.pop_back();
      return path;
    }
  }
  const std::string path = Path(fmt::format("{}segment", kTemporaryPrefix));
  const absl::Status created = CreateZeroFilled(disk_, path, options_.segment_bytes);
  if (created.code() == absl::StatusCode::kResourceExhausted) return created;
  if (!created.ok()) return Poison(created);
  return path;
}

absl::StatusOr<BatchNumber> Log::State::Commit(FrameBuilder& builder,
                                               std::span<const GroupChange> changes) {
  const std::uint64_t bytes = builder.frame_bytes();
  TRIREME_CHECK(append_offset_ + bytes <= active_->block.segment_bytes);
  std::uint64_t durable = 0;
  {
    const std::lock_guard lock(mutex_);
    durable = durable_;
  }
  const std::uint64_t batch = written_ + 1;
  const auto staged = active_->file->Stage(append_offset_, bytes);
  if (!staged.ok()) return Poison(staged.status());
  const auto parts = builder.Finish(batch, durable, life_, active_->seed, *staged);
  const absl::Status written = *staged != nullptr ? active_->file->WriteStaged()
                                                  : active_->file->WriteAt(append_offset_, parts);
  if (!written.ok()) return Poison(written);
  const FramePlace place{active_->block.number, static_cast<std::uint32_t>(append_offset_),
                         static_cast<std::uint32_t>(append_offset_ + bytes)};
  append_offset_ += bytes;
  sealed_ = false;
  const std::lock_guard lock(mutex_);
  for (const GroupChange& change : changes) {
    const GroupState* const before = table_.Find(change.group);
    const LogPosition old = before == nullptr ? LogPosition{} : before->snapshot.last;
    if (old.index != Index{} &&
        (change.forget || (change.snapshot && change.snapshot->last != old)))
      old_snapshots_.push_back({batch, change.group, old});
    table_.Apply(change, place);
  }
  written_ = batch;
  ++batches_;
  return BatchNumber{batch};
}

absl::Status Log::State::WriteEmpty(std::uint64_t first_segment) {
  builder_.Begin(/*checkpoint=*/false, first_segment, 0);
  TRIREME_RETURN_IF_ERROR(MakeRoom(builder_.frame_bytes(), /*may_use_reserve=*/true));
  TRIREME_RETURN_IF_ERROR(Commit(builder_, {}).status());
  first_announced_ = first_segment;
  return absl::OkStatus();
}

FrameBuilder Log::State::Checkpoint() const {
  FrameBuilder builder;
  builder.Begin(/*checkpoint=*/true, first_announced_, table_.groups().size());
  for (const auto& [group, state] : table_.groups())
    builder.Add(GroupTable::Summary(group, state), {});
  return builder;
}

/// The oldest segment with something that counts. What is not entries is in the last checkpoint.
std::uint64_t Log::State::FirstNeeded() const {
  return std::min(table_.use().first(active_->block.number), active_->block.number);
}

absl::StatusOr<BatchNumber> Log::State::Sync() {
  SegmentPtr segment;
  std::uint64_t batch = 0;
  {
    const std::lock_guard lock(mutex_);
    TRIREME_RETURN_IF_ERROR(poisoned_);
    if (durable_ == written_) return BatchNumber{durable_};
    segment = active_;
    batch = written_;
  }
  TRIREME_RETURN_IF_ERROR(SyncSegment(*segment));
  const std::lock_guard lock(mutex_);
  durable_ = std::max(durable_, batch);
  return BatchNumber{batch};
}

absl::Status Log::State::SyncSegment(const Segment& segment) {
  const std::lock_guard sync_lock(sync_mutex_);
  TRIREME_RETURN_IF_ERROR(poisoned());
  const absl::Status status = segment.file->Sync();
  if (!status.ok()) return Poison(status);
  const std::lock_guard lock(mutex_);
  ++syncs_;
  return poisoned_;
}

absl::Status Log::State::poisoned() const {
  const std::lock_guard lock(mutex_);
  return poisoned_;
}

/// The first cause stays.
absl::Status Log::State::Poison(const absl::Status& cause) {
  const std::lock_guard lock(mutex_);
  if (poisoned_.ok())
    poisoned_ = absl::InternalError(
        fmt::format("{}; what the disk holds of the log is unknown now, so the node must stop: see "
                    "to the disk and start it again",
                    std::string(cause.message())));
  return poisoned_;
}

}  // namespace trireme::raft
