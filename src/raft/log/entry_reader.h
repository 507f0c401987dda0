#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <trireme/raft/types.h>
#include "absl/status/status.h"
#include "raft/log/group_table.h"
#include "raft/log/segment.h"

namespace trireme::raft {

/// Entries of one group to be read, by what was in the table. It holds the segments, so that their
/// files are not used again meanwhile.
struct ReadPlan {
  GroupId group;
  Index first;
  Index last;
  std::vector<Extent> extents;  ///< Of [first, last], without gaps.
  SegmentMap segments;
};

/// The plan for [first, last], of which `state` holds `first`, or for its front when all is more
/// than bytes_max.
ReadPlan PlanRead(GroupId group, const GroupState& state, const SegmentMap& segments, Index first,
                  Index last, std::uint64_t bytes_max);

/// Appends the entries: at least one, and otherwise at most bytes_max of data. DATA_LOSS names the
/// place of the damage.
[[nodiscard]] absl::Status ReadEntries(const ReadPlan& plan, std::uint64_t bytes_max,
                                       std::vector<Entry>* entries);

/// Entries to be read together with those of other groups.
struct WantedEntries {
  ReadPlan plan;
  bool only_configurations = false;
  std::vector<Entry> entries;  ///< What was wanted, all of it.
};

/// Reads each frame once, whatever the number of groups that share it.
[[nodiscard]] absl::Status ReadAllEntries(std::span<WantedEntries> wanted);

}  // namespace trireme::raft
