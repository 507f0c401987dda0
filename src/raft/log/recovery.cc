#include "raft/log/recovery.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/log/segment_scan.h"
#include "raft/log/snapshot_file.h"

namespace trireme::raft {
namespace {

/// The last run of numbers without a gap.
std::vector<std::uint64_t> LastRun(const LogDirectory& listed) {
  std::vector<std::uint64_t> run;
  for (const auto& [number, bytes] : listed.segments) {
    if (!run.empty() && number != run.back() + 1) run.clear();
    run.push_back(number);
  }
  return run;
}

class Recoverer {
 public:
  Recoverer(io::Disk& disk, const LogOptions& options, Recovery& to)
      : disk_(disk), options_(options), to_(to) {}

  absl::Status OpenSegments(const LogDirectory& listed) {
    for (const std::uint64_t number : LastRun(listed)) {
      TRIREME_ASSIGN_OR_RETURN(SegmentPtr segment, OpenSegment(disk_, options_.directory, number,
                                                               io::OpenMode::kOverwrite));
      const LogIdentity identity{options_.cluster_id, options_.node};
      if (segment->block.identity != identity)
        return Damaged(segment->path, 0, "the segment is of another node or cluster");
      to_.segments.emplace(number, std::move(segment));
    }
    return absl::OkStatus();
  }

  absl::Status Scan() {
    to_.segments.begin()->second->file->WillRead();
    for (auto at = to_.segments.begin(); at != to_.segments.end(); ++at) {
      const Segment& segment = *at->second;
      if (std::next(at) != to_.segments.end()) std::next(at)->second->file->WillRead();
      if (state_.next_batch == 0) state_.next_batch = segment.block.first_batch;
      TRIREME_ASSIGN_OR_RETURN(
          const ScanEnd end,
          ScanSegment(segment, &state_, [&](const Frame& frame) { return Take(segment, frame); }));
      const auto next = std::next(at);
      const bool last = next == to_.segments.end();
      TRIREME_RETURN_IF_ERROR(last ? Finish(segment, end)
                                   : CheckEnd(segment, end, next->second->block.first_batch));
    }
    return absl::OkStatus();
  }

  absl::Status CheckGroups(const LogDirectory& listed) const {
    const std::uint64_t first_present = to_.segments.begin()->first;
    if (to_.first_segment < first_present)
      return Damaged(PathIn(options_.directory, SegmentName(to_.first_segment)), 0,
                     fmt::format("the segment is missing, and so is what it held; the first one "
                                 "there is {}",
                                 first_present));
    for (const auto& [group, state] : to_.table.groups()) {
      TRIREME_RETURN_IF_ERROR(CheckWithoutGaps(group, state));
      TRIREME_RETURN_IF_ERROR(CheckSnapshot(group, state, listed));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Take(const Segment& segment, const Frame& frame) {
    if (frame.offset == kSegmentBlockBytes && !frame.descriptor.checkpoint)
      return Damaged(segment.path, frame.offset, "the first batch is not a checkpoint");
    const FramePlace place{segment.block.number, static_cast<std::uint32_t>(frame.offset),
                           static_cast<std::uint32_t>(frame.end())};
    for (const Section& section : frame.descriptor.sections) to_.table.Apply(section.change, place);
    to_.first_segment = frame.descriptor.first_segment;
    offsets_.emplace_back(frame.header.batch, frame.offset);
    while (!offsets_.empty() && offsets_.front().first <= frame.header.durable)
      offsets_.erase(offsets_.begin());
    return absl::OkStatus();
  }

  /// Of a segment that is not the last: the next one was begun when all of it was durable.
  absl::Status CheckEnd(const Segment& segment, const ScanEnd& end, std::uint64_t next_first) {
    if (state_.next_batch == next_first) {
      state_.durable = next_first - 1;
      offsets_.clear();
      return absl::OkStatus();
    }
    return Damaged(segment.path, end.offset,
                   fmt::format("{}, and the next segment begins with batch {}, not {}", end.why,
                               next_first, state_.next_batch));
  }

  absl::Status Finish(const Segment& segment, const ScanEnd& end) {
    if (end.acknowledged)
      return Damaged(segment.path, end.offset,
                     fmt::format("{}, and a later batch says that batch {} was durable", end.why,
                                 state_.next_batch));
    to_.last_batch = state_.next_batch - 1;
    to_.durable = std::min(state_.durable, to_.last_batch);
    to_.life = std::max(state_.life, segment.block.life);
    to_.end = end.offset;
    to_.uncertain = offsets_.empty() ? end.offset : offsets_.front().second;
    to_.torn_batches = end.torn_batches;
    if (to_.first_segment == 0) to_.first_segment = to_.segments.begin()->first;
    return absl::OkStatus();
  }

  absl::Status CheckWithoutGaps(GroupId group, const GroupState& state) const {
    Index next = state.dropped_to.index + 1;
    Term term = state.dropped_to.term;
    for (const Extent& extent : state.extents) {
      const Segment& segment = *to_.segments.at(extent.place.segment);
      if (extent.run.first != next)
        return Damaged(segment.path, extent.place.offset,
                       fmt::format("group {} has entry {} here, but lacks entry {}", group.value,
                                   extent.run.first.value, next.value));
      if (extent.run.term < term)
        return Damaged(segment.path, extent.place.offset,
                       fmt::format("group {}: the terms of its entries decrease at {}", group.value,
                                   next.value));
      next = extent.run.last + 1;
      term = extent.run.term;
    }
    return absl::OkStatus();
  }

  absl::Status CheckSnapshot(GroupId group, const GroupState& state,
                             const LogDirectory& listed) const {
    if (state.snapshot.last.index.value == 0) return absl::OkStatus();
    const std::string name = SnapshotName(group, state.snapshot.last);
    const std::string path = PathIn(options_.directory, name);
    const auto found = std::find_if(listed.snapshots.begin(), listed.snapshots.end(),
                                    [&](const SnapshotEntry& e) { return e.name == name; });
    if (found == listed.snapshots.end())
      return Damaged(path, 0, fmt::format("group {}'s snapshot is missing", group.value));
    const std::uint64_t expected = SnapshotFileBytes(state.snapshot.size_bytes);
    if (found->file_bytes != expected)
      return Damaged(path, found->file_bytes, fmt::format("it should have {} bytes", expected));
    const LogIdentity identity{options_.cluster_id, options_.node};
    return SnapshotFile::Open(disk_, path, identity, group, state.snapshot.last).status();
  }

  io::Disk& disk_;
  const LogOptions& options_;
  Recovery& to_;
  ScanState state_;
  /// Of the frames that no later one said are durable: batch and offset in the last segment.
  std::vector<std::pair<std::uint64_t, std::uint64_t>> offsets_;
};

}  // namespace

absl::StatusOr<Recovery> Recover(io::Disk& disk, const LogOptions& options,
                                 const LogDirectory& listed) {
  Recovery recovery{.table = GroupTable(options.index_points_max)};
  Recoverer recoverer(disk, options, recovery);
  TRIREME_RETURN_IF_ERROR(recoverer.OpenSegments(listed));
  TRIREME_RETURN_IF_ERROR(recoverer.Scan());
  TRIREME_RETURN_IF_ERROR(recoverer.CheckGroups(listed));
  return recovery;
}

}  // namespace trireme::raft
