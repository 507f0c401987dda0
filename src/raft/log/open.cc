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
    if (bytes == options_.segment_bytes && spares_.size() < options_.spare_segments) {
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
  for (const auto& [group, state] : table_.groups()) {
    TRIREME_RETURN_IF_ERROR(RestoreGroup(group, state, options_.restore_bytes_max / groups,
                                         &to->groups.emplace_back()));
  }
  return absl::OkStatus();
}

absl::Status Log::State::RestoreGroup(GroupId group, const GroupState& state,
                                      std::uint64_t bytes_max, RecoveredGroup* to) const {
  to->group = group;
  to->hard_state = state.hard_state;
  to->snapshot = state.snapshot;
  to->dropped_to = state.dropped_to;
  to->last = state.last();
  if (state.extents.empty()) return absl::OkStatus();
  auto first = std::prev(state.extents.end());
  std::uint64_t bytes = first->run.bytes;
  while (first != state.extents.begin() && bytes + std::prev(first)->run.bytes <= bytes_max)
    bytes += (--first)->run.bytes;
  const ReadPlan plan =
      PlanRead(group, state, segments_, first->run.first, to->last.index, UINT64_MAX);
  TRIREME_RETURN_IF_ERROR(ReadEntries(plan, UINT64_MAX, &to->entries));
  std::size_t drop = 0;  // the last extent alone may be too much
  for (; bytes > bytes_max && drop + 1 < to->entries.size(); ++drop)
    bytes -= std::min<std::uint64_t>(bytes, to->entries[drop].data.size());
  to->entries.erase(to->entries.begin(), to->entries.begin() + static_cast<std::ptrdiff_t>(drop));
  return RestoreOlder(group, state, to);
}

absl::Status Log::State::RestoreOlder(GroupId group, const GroupState& state,
                                      RecoveredGroup* to) const {
  const Index end = to->entries.front().index;
  for (const Extent& extent : state.extents) {
    if (extent.run.first >= end) break;
    if (to->older_terms.empty() || to->older_terms.back().term != extent.run.term)
      to->older_terms.push_back({extent.run.first, extent.run.term});
    if (!extent.run.has_configuration) continue;
    std::vector<Entry> entries;
    const ReadPlan plan = PlanRead(group, state, segments_, extent.run.first,
                                   std::min(extent.run.last, end - 1), UINT64_MAX);
    TRIREME_RETURN_IF_ERROR(ReadEntries(plan, UINT64_MAX, &entries));
    for (Entry& entry : entries) {
      if (entry.kind == EntryKind::kConfiguration)
        to->older_configurations.push_back(std::move(entry));
    }
  }
  return absl::OkStatus();
}

}  // namespace trireme::raft
