#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include <trireme/raft/log_store.h>
#include <trireme/raft/types.h>
#include "raft/log/frame.h"

namespace trireme::raft {

/// Where a frame is.
struct FramePlace {
  std::uint64_t segment = 0;
  std::uint32_t offset = 0;
  std::uint32_t end = 0;
};

/// Entries of one group and one term that are found by reading frames from `place.offset` on, up to
/// `place.end`. Frames of other groups may be among them.
struct Extent {
  EntryRun run;
  FramePlace place;
  /// Its end was cut off: its frames hold entries after it which are not the log's.
  bool sealed = false;
};

/// How much of each segment is in use, over all groups.
class SegmentUse {
 public:
  void Add(const Extent& extent);
  void Remove(const Extent& extent);
  void Resize(const Extent& extent, std::uint64_t bytes_before);
  std::uint64_t extents() const { return extents_; }
  std::uint64_t live_bytes() const { return live_bytes_; }
  bool uses(std::uint64_t segment) const { return segments_.contains(segment); }
  /// The first segment with an extent, or `otherwise`.
  std::uint64_t first(std::uint64_t otherwise) const {
    return segments_.empty() ? otherwise : segments_.begin()->first;
  }

 private:
  std::map<std::uint64_t, std::uint64_t> segments_;  ///< To the number of extents, not 0.
  std::uint64_t extents_ = 0;
  std::uint64_t live_bytes_ = 0;
};

/// What the log knows of one group.
struct GroupState {
  HardState hard_state;
  LogSnapshot snapshot;
  LogPosition dropped_to;
  std::deque<Extent> extents;  ///< By index; without gaps once the log is open.

  Index last_index() const { return extents.empty() ? dropped_to.index : extents.back().run.last; }
  LogPosition last() const;
  /// Of an entry that is in the log, or of dropped_to.
  std::optional<Term> TermAt(Index index) const;
  /// The extent that holds the entry, or extents.end().
  std::deque<Extent>::const_iterator Find(Index index) const;
};

/// All groups: the log's state in memory, as its frames make it. Not thread-safe.
class GroupTable {
 public:
  explicit GroupTable(std::uint64_t points_max) : points_max_(points_max) {}

  /// Takes in a section of a frame. Its entries may leave gaps, which later ones may fill.
  void Apply(const GroupChange& change, FramePlace place);
  const std::map<GroupId, GroupState>& groups() const { return groups_; }
  const GroupState* Find(GroupId group) const;
  const SegmentUse& use() const { return use_; }
  /// What says all of a group but its entries.
  static GroupChange Summary(GroupId group, const GroupState& state);
  /// Of all summaries together, at most.
  std::uint64_t checkpoint_bytes() const { return checkpoint_bytes_; }

 private:
  void Append(GroupState& state, const EntryRun& run, FramePlace place);
  void Move(GroupState& state, const EntryRun& run, FramePlace place);
  void DropFrom(GroupState& state, Index first);
  void DropTo(GroupState& state, Index last);
  void Thin();

  std::uint64_t points_max_;
  std::uint32_t extent_bytes_max_ = 64u << 10;  ///< Of the frames one extent spans.
  std::map<GroupId, GroupState> groups_;
  SegmentUse use_;
  std::uint64_t checkpoint_bytes_ = 0;
};

/// What a summary of a group takes in a checkpoint, at most.
std::uint64_t SummaryBytesMax(std::uint64_t configuration_bytes);

}  // namespace trireme::raft
