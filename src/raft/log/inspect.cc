#include "raft/log/inspect.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "raft/log/group_table.h"
#include "raft/log/options.h"
#include "raft/log/recovery.h"
#include "raft/log/segment_scan.h"
#include "raft/log/snapshot_file.h"

namespace trireme::raft {
namespace {

/// Reads on where recovery would stop.
class Inspector {
 public:
  Inspector(io::Disk& disk, const std::string& directory, Inspection& to)
      : disk_(disk), directory_(directory), to_(to), table_(LogOptions{}.index_points_max) {}

  void Segments(const LogDirectory& listed) {
    for (const auto& [number, bytes] : listed.segments) {
      const bool last = number == listed.segments.rbegin()->first;
      InspectedSegment& segment = to_.segments.emplace_back();
      segment = {.name = SegmentName(number), .number = number, .file_bytes = bytes};
      const absl::Status status = Segment(number, last, segment);
      segment.sound = status.ok();
      segment.damage = std::string(status.message());
    }
  }

  void Groups() {
    for (const auto& [group, state] : table_.groups()) {
      InspectedGroup& found = to_.groups.emplace_back();
      found = {.group = group,
               .hard_state = state.hard_state,
               .snapshot = state.snapshot,
               .dropped_to = state.dropped_to,
               .last = state.last()};
      Index next = state.dropped_to.index + 1;
      for (const Extent& extent : state.extents) {
        if (extent.run.first > next) found.holes.emplace_back(next, extent.run.first - 1);
        if (found.terms.empty() || found.terms.back().term != extent.run.term)
          found.terms.push_back({extent.run.first, extent.run.term});
        next = extent.run.last + 1;
      }
    }
  }

  void Snapshots(const LogDirectory& listed) {
    for (const SnapshotEntry& entry : listed.snapshots) {
      const GroupState* const state = table_.Find(entry.group);
      const bool named = state != nullptr && state->snapshot.last == entry.last;
      const auto file = SnapshotFile::Open(disk_, PathIn(directory_, entry.name), to_.identity,
                                           entry.group, entry.last);
      const absl::Status status = file.ok() ? (*file)->Verify() : file.status();
      to_.snapshots.push_back({entry, named, status.ok(), std::string(status.message())});
    }
  }

 private:
  absl::Status Segment(std::uint64_t number, bool last, InspectedSegment& to) {
    TRIREME_ASSIGN_OR_RETURN(const SegmentPtr segment,
                             OpenSegment(disk_, directory_, number, io::OpenMode::kRead));
    to.first_batch = segment->block.first_batch;
    const bool continues = state_.next_batch == 0 || state_.next_batch == to.first_batch;
    const std::uint64_t expected = std::exchange(state_.next_batch, to.first_batch);
    TRIREME_ASSIGN_OR_RETURN(const ScanEnd end,
                             ScanSegment(*segment, &state_, [&](const Frame& frame) {
                               Take(number, frame, to);
                               return absl::OkStatus();
                             }));
    to.last_batch = state_.next_batch - 1;
    to.used_bytes = end.offset;
    to.torn_batches = end.torn_batches;
    to.life = state_.life;
    if (end.acknowledged || (!last && end.torn_batches > 0))
      return Damaged(segment->path, end.offset, end.why);
    if (!continues)
      return Damaged(segment->path, 0,
                     fmt::format("it begins with batch {}, and the segment before ends with {}",
                                 to.first_batch, expected - 1));
    return absl::OkStatus();
  }

  void Take(std::uint64_t number, const Frame& frame, InspectedSegment& to) {
    const FramePlace place{number, static_cast<std::uint32_t>(frame.offset),
                           static_cast<std::uint32_t>(frame.end())};
    for (const Section& section : frame.descriptor.sections) {
      table_.Apply(section.change, place);
      to.entries += section.entries.size();
    }
    to_.first_segment = frame.descriptor.first_segment;
  }

  io::Disk& disk_;
  const std::string& directory_;
  Inspection& to_;
  GroupTable table_;
  ScanState state_;
};

}  // namespace

absl::StatusOr<Inspection> Inspect(io::Disk& disk, const std::string& directory) {
  TRIREME_ASSIGN_OR_RETURN(const LogDirectory listed, ListLogDirectory(disk, directory));
  if (!listed.has_identity && listed.segments.empty())
    return absl::NotFoundError(
        fmt::format("{}: not the directory of a node: it has no file `identity`", directory));
  TRIREME_ASSIGN_OR_RETURN(const auto lock, LockLogDirectory(disk, directory));
  Inspection found;
  if (auto identity = ReadIdentity(disk, directory); identity.ok()) {
    found.identity = *identity;
    LogOptions options{.directory = directory};
    options.cluster_id = identity->cluster_id;
    options.node = identity->node;
    found.refusal = std::string(
        listed.segments.empty()
            ? Damaged(directory, 0, "the directory has an identity, but no segment").message()
            : Recover(disk, options, listed).status().message());
  } else {
    found.refusal = std::string(identity.status().message());
  }
  Inspector inspector(disk, directory, found);
  inspector.Segments(listed);
  inspector.Groups();
  inspector.Snapshots(listed);
  for (const auto& [number, bytes] : listed.spares) found.spares.push_back(SpareName(number));
  found.temporaries = listed.temporaries;
  return found;
}

}  // namespace trireme::raft
