#pragma once

#include <string>
#include <vector>

#include <trireme/raft/log_store.h>
#include "absl/status/statusor.h"
#include "io/disk.h"

namespace trireme::raft {

struct RecoveredByForce {
  GroupId group;
  LogPosition before;  ///< The end of its log.
  Term term;           ///< In which the survivors' configuration stands, right behind it.
};

/// For a cluster that has lost its majority for good, with nobody else of it alive: makes
/// `survivors` the voters of every group that the stopped node in `directory` has. Entries that had
/// been committed and only lost nodes held are lost. With `dry_run` it only says what it would do.
/// FAILED_PRECONDITION: it is running, or is another node's; INVALID_ARGUMENT: the node itself is
/// not among the survivors. Neither changes anything.
[[nodiscard]] absl::StatusOr<std::vector<RecoveredByForce>> UnsafeRecover(
    io::Disk& disk, const std::string& directory, NodeId node, std::vector<NodeId> survivors,
    bool dry_run);

}  // namespace trireme::raft
