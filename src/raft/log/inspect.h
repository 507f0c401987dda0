#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <trireme/raft/log_store.h>
#include "absl/status/statusor.h"
#include "io/disk.h"
#include "raft/log/directory.h"

namespace trireme::raft {

struct InspectedSegment {
  std::string name;
  std::uint64_t number = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t used_bytes = 0;  ///< Up to the end of the last valid batch.
  std::uint64_t first_batch = 0;
  std::uint64_t last_batch = 0;  ///< Below first_batch: there is none.
  std::uint64_t entries = 0;
  std::uint64_t torn_batches = 0;  ///< Behind the end; nobody was told they are durable.
  std::uint32_t life = 0;          ///< Of the last batch.
  bool sound = false;
  std::string damage;  ///< If not sound: what and where.
};

struct InspectedGroup {
  GroupId group;
  HardState hard_state;
  LogSnapshot snapshot;
  LogPosition dropped_to;
  LogPosition last;
  std::vector<TermRun> terms;
  /// Entries that should be there and are not: first and last of each hole.
  std::vector<std::pair<Index, Index>> holes;
};

struct InspectedSnapshot {
  SnapshotEntry file;
  bool named = false;  ///< A group's latest.
  bool sound = false;
  std::string damage;
};

/// All that can be said of a directory, whatever state it is in.
struct Inspection {
  LogIdentity identity;
  std::vector<InspectedSegment> segments;
  std::vector<InspectedGroup> groups;
  std::vector<InspectedSnapshot> snapshots;
  std::vector<std::string> spares;
  std::vector<std::string> temporaries;
  std::uint64_t first_segment = 0;  ///< Needed, as the last batch says.
  /// What Log::Open would refuse the directory for; empty when it would not.
  std::string refusal;
};

/// Reads the directory of a stopped node and changes nothing. FAILED_PRECONDITION when a node is
/// running on it, NOT_FOUND when it is no log's directory.
[[nodiscard]] absl::StatusOr<Inspection> Inspect(io::Disk& disk, const std::string& directory);

}  // namespace trireme::raft
