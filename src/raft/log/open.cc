// From a directory to a log: take it, judge it, clean it up, begin a new life.
#include <algorithm>
#include <iterator>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/log/log_state.h"

namespace trireme::raft {
namespace {

constexpr std::uint64_t kReserveBytesMin = 4u << 10;
constexpr std::size_t kWriteAgainBytes = 1u << 20;

/// What is over bytes_max at the front, but never the last one: one extent may be too much.
void DropFront(std::uint64_t bytes_max, std::vector<Entry>* entries) {
  std::size_t first = entries->size();
  std::uint64_t bytes = 0;
  while (first > 0) {
    bytes += (*entries)[first - 1].data.size();
    if (bytes > bytes_max && first < entries->size()) break;
    --first;
  }
  entries->erase(entries->begin(), entries->begin() + static_cast<std::ptrdiff_t>(first));
}

absl::Status OutOfBounds(std::string_view option, std::uint64_t value, std::uint64_t least,
                         std::uint64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} = {}: it must be from {} to {}", option, value, least, most));
}

}  // namespace

absl::Status Validate(const LogOptions& options) {
  if (options.directory.empty()) return absl::InvalidArgumentError("directory: none is given");
  if (options.node == kNobody) return absl::InvalidArgumentError("node = 0: a node's id is not 0");
  TRIREME_RETURN_IF_ERROR(
      OutOfBounds("segment_bytes", options.segment_bytes, kSegmentBytesMin, kSegmentBytesMax));
  TRIREME_RETURN_IF_ERROR(OutOfBounds("reserve_bytes", options.reserve_bytes, kReserveBytesMin,
                                      options.segment_bytes / 8));
  TRIREME_RETURN_IF_ERROR(
      OutOfBounds("pinned_segments_max", options.pinned_segments_max, 2, UINT32_MAX));
  return OutOfBounds("index_points_max", options.index_points_max, 16, UINT64_MAX);
}

absl::Status Log::State::Start(Opened* to) {
  TRIREME_RETURN_IF_ERROR(TakeDirectory());
  TRIREME_ASSIGN_OR_RETURN(const LogDirectory listed, ListLogDirectory(disk_, options_.directory));
  if (listed.segments.empty())
    return Damaged(options_.directory, 0, "the directory has an identity, but no segment");
  TRIREME_ASSIGN_OR_RETURN(Recovery recovery, Recover(disk_, options_, listed));
  if (recovery.table.checkpoint_bytes() > options_.segment_bytes / 4)
    return absl::InvalidArgumentError(fmt::format(
        "{}: segment_bytes = {} is too little for the groups in it; it must be {} or "
        "more",
        options_.directory, options_.segment_bytes, 4 * recovery.table.checkpoint_bytes()));
  const std::uint64_t uncertain = recovery.uncertain;
  const std::uint64_t recovered_first = recovery.first_segment;
  to->torn_batches = recovery.torn_batches;
  Adopt(std::move(recovery));
  std::vector<std::string> useless = AdoptSpares(listed);
  TRIREME_RETURN_IF_ERROR(WriteAgain(uncertain, append_offset_));
  TRIREME_RETURN_IF_ERROR(BeginLife());
  // Not before: that a file is useless may have been said by a batch that was not durable.
  TRIREME_RETURN_IF_ERROR(CleanUp(listed, recovered_first, std::move(useless)));
  return Restore(to);
}

/// Locks the directory, and makes sure that it is one of this node's.
absl::Status Log::State::TakeDirectory() {
  TRIREME_RETURN_IF_ERROR(disk_.MakeDirectories(options_.directory));
  TRIREME_ASSIGN_OR_RETURN(lock_, LockLogDirectory(disk_, options_.directory));
  TRIREME_ASSIGN_OR_RETURN(const LogDirectory listed, ListLogDirectory(disk_, options_.directory));
  if (!listed.has_identity) {
    TRIREME_RETURN_IF_ERROR(RefuseRemains(listed));
    return MakeNew();
  }
  TRIREME_ASSIGN_OR_RETURN(const LogIdentity found, ReadIdentity(disk_, options_.directory));
  if (found == identity()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{}: this directory belongs to node {} of cluster {:016x}, not to node {} of "
                  "cluster {:016x}; name the directory of this node, or an empty one",
                  options_.directory, found.node.value, found.cluster_id, identity().node.value,
                  identity().cluster_id));
}

/// Without an identity there may be what a crash left of MakeNew: nothing of a group.
absl::Status Log::State::RefuseRemains(const LogDirectory& listed) const {
  bool remains = listed.segments.size() > 1 || !listed.snapshots.empty();
  if (listed.segments.size() == 1) {
    const auto recovery = Recover(disk_, options_, listed);
    remains |= !recovery.ok() || recovery->last_batch > 0;
  }
  if (!remains) return absl::OkStatus();
  return Damaged(options_.directory, 0, "the directory has segments or snapshots, but no identity");
}

absl::Status Log::State::MakeNew() {
  const std::string temporary = Path(fmt::format("{}segment", kTemporaryPrefix));
  TRIREME_RETURN_IF_ERROR(CreateZeroFilled(disk_, temporary, options_.segment_bytes));
  const SegmentBlock block{.identity = identity(),
                           .number = 1,
                           .first_batch = 1,
                           .segment_bytes = options_.segment_bytes};
  TRIREME_RETURN_IF_ERROR(StartSegment(disk_, options_.directory, temporary, block).status());
  return WriteIdentity(disk_, options_.directory, identity());
}

void Log::State::Adopt(Recovery recovery) {
  table_ = std::move(recovery.table);
  segments_ = std::move(recovery.segments);
  segments_.erase(segments_.begin(), segments_.lower_bound(recovery.first_segment));
  active_ = segments_.rbegin()->second;
  append_offset_ = recovery.end;
  first_announced_ = recovery.first_segment;
  written_ = recovery.last_batch;
  durable_ = recovery.durable;
  life_ = recovery.life + 1;
}

/// Returns the names of those that are too many, or of another size.
std::vector<std::string> Log::State::AdoptSpares(const LogDirectory& listed) {
  std::vector<std::string> useless;
  for (const auto& [number, bytes] : listed.spares) {
    next_spare_ = std::max(next_spare_, number + 1);
    if (bytes == options_.segment_bytes && spares_.size() < spares_max()) {
      spares_.push_back(Path(SpareName(number)));
    } else {
      useless.push_back(SpareName(number));
    }
  }
  return useless;
}

/// Removes what no frame names: what was being made, or being removed, when an earlier life ended.
absl::Status Log::State::CleanUp(const LogDirectory& listed, std::uint64_t first_segment,
                                 std::vector<std::string> useless) {
  useless.insert(useless.end(), listed.temporaries.begin(), listed.temporaries.end());
  for (const auto& [number, bytes] : listed.segments) {
    if (number < first_segment) useless.push_back(SegmentName(number));
  }
  for (const SnapshotEntry& snapshot : listed.snapshots) {
    const GroupState* const state = table_.Find(snapshot.group);
    if (state == nullptr || state->snapshot.last != snapshot.last) useless.push_back(snapshot.name);
  }
  for (const std::string& name : useless) {
    const absl::Status removed = disk_.Remove(Path(name));
    if (!removed.ok() && !absl::IsNotFound(removed)) return removed;
  }
  return disk_.SyncDirectory(options_.directory);
}

/// The batches of which nobody has said that they are durable were read from the kernel's memory,
/// perhaps. When an earlier life's sync of them failed, that memory is marked clean and a sync now
/// would write nothing (Rebello et al., ATC '20, section 4.3). So the same bytes are written again.
absl::Status Log::State::WriteAgain(std::uint64_t from, std::uint64_t to) {
  std::string bytes;
  while (from < to) {
    bytes.resize(std::min<std::uint64_t>(kWriteAgainBytes, to - from));
    TRIREME_ASSIGN_OR_RETURN(const std::size_t read,
                             active_->file->ReadAt(from, bytes.data(), bytes.size()));
    if (read != bytes.size()) return Damaged(active_->path, from + read, "the file has shrunk");
    const std::string_view whole(bytes);
    const absl::Status written = active_->file->WriteAt(from, std::span(&whole, 1));
    if (!written.ok()) return Poison(written);
    from += bytes.size();
  }
  TRIREME_RETURN_IF_ERROR(SyncSegment(*active_));
  durable_ = written_;
  return absl::OkStatus();
}

/// Its first frame, a checkpoint, is durable before any other: what an earlier life may have left
/// behind the end is then of a lower life.
absl::Status Log::State::BeginLife() {
  const std::lock_guard write_lock(write_mutex_);
  FrameBuilder checkpoint = Checkpoint();
  if (checkpoint.frame_bytes() <= active_->block.segment_bytes - append_offset_) {
    TRIREME_RETURN_IF_ERROR(Commit(checkpoint, {}).status());
  } else {
    TRIREME_RETURN_IF_ERROR(Roll());  // it writes one
  }
  TRIREME_RETURN_IF_ERROR(Sync().status());
  sealed_ = true;
  return absl::OkStatus();
}

absl::Status Log::State::Restore(Opened* to) const {
  const std::uint64_t groups = std::max<std::uint64_t>(table_.groups().size(), 1);
  const std::uint64_t bytes_max = options_.restore_bytes_max / groups;
  std::vector<WantedEntries> wanted;
  for (const auto& [group, state] : table_.groups())
    wanted.push_back({.plan = PlanRestore(group, state, bytes_max)});
  TRIREME_RETURN_IF_ERROR(ReadAllEntries(wanted));
  std::vector<WantedEntries> older;
  std::size_t next = 0;
  for (const auto& [group, state] : table_.groups()) {
    RecoveredGroup& recovered = to->groups.emplace_back();
    recovered.group = group;
    recovered.hard_state = state.hard_state;
    recovered.snapshot = state.snapshot;
    recovered.dropped_to = state.dropped_to;
    recovered.last = state.last();
    recovered.entries = std::move(wanted[next++].entries);
    DropFront(bytes_max, &recovered.entries);
    older.push_back({.plan = PlanOlder(state, &recovered), .only_configurations = true});
  }
  TRIREME_RETURN_IF_ERROR(ReadAllEntries(older));
  for (std::size_t i = 0; i < older.size(); ++i)
    to->groups[i].older_configurations = std::move(older[i].entries);
  return absl::OkStatus();
}

/// Whole extents from the end, at least one and otherwise as many as have at most bytes_max.
ReadPlan Log::State::PlanRestore(GroupId group, const GroupState& state,
                                 std::uint64_t bytes_max) const {
  if (state.extents.empty()) return {.group = group};
  auto first = std::prev(state.extents.end());
  std::uint64_t bytes = first->run.bytes;
  while (first != state.extents.begin() && bytes + std::prev(first)->run.bytes <= bytes_max)
    bytes += (--first)->run.bytes;
  return PlanRead(group, state, segments_, first->run.first, state.last_index(), UINT64_MAX);
}

/// The extents below the recovered entries that have configurations; the terms go to `to`.
ReadPlan Log::State::PlanOlder(const GroupState& state, RecoveredGroup* to) const {
  ReadPlan plan{.group = to->group};
  if (to->entries.empty()) return plan;
  const Index end = to->entries.front().index;
  plan.first = state.extents.front().run.first;
  plan.last = end - 1;
  for (const Extent& extent : state.extents) {
    if (extent.run.first >= end) break;
    if (to->older_terms.empty() || to->older_terms.back().term != extent.run.term)
      to->older_terms.push_back({extent.run.first, extent.run.term});
    if (!extent.run.has_configuration) continue;
    plan.extents.push_back(extent);
    plan.segments.insert(*segments_.find(extent.place.segment));
  }
  return plan;
}

}  // namespace trireme::raft
