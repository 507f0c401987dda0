#pragma once

#include <vector>

#include <trireme/raft.h>
#include "absl/status/status.h"

namespace trireme::raft {

struct SeedOptions {
  DurableLogOptions log;  ///< Of a directory without a group.
  GroupId group{1};
  /// What the state is said to be: the same at all members, of index 1 and term 1 at least.
  LogPosition at;
  std::vector<Member> members;  ///< Who begins the group.
};

/// Makes the log of a first member of a group that begins with a state: with `state` as its latest
/// snapshot. All members are seeded alike.
[[nodiscard]] absl::Status SeedGroup(const SeedOptions& options, SnapshotWork state);

}  // namespace trireme::raft
