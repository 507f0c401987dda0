#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <trireme/raft/log_store.h>
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/disk.h"

/// The names in a log's directory: docs/formats/raft-log.md, first table.
namespace trireme::raft {

inline constexpr std::string_view kTemporaryPrefix = "tmp-";

std::string PathIn(const std::string& directory, std::string_view name);
std::string SegmentName(std::uint64_t number);
std::string SpareName(std::uint64_t number);
std::string SnapshotName(GroupId group, LogPosition last);

struct SnapshotEntry {
  std::string name;
  GroupId group;
  LogPosition last;
  std::uint64_t file_bytes = 0;
};

struct LogDirectory {
  bool has_identity = false;
  std::map<std::uint64_t, std::uint64_t> segments;  ///< Number to bytes.
  std::map<std::uint64_t, std::uint64_t> spares;
  std::vector<SnapshotEntry> snapshots;
  std::vector<std::string> temporaries;
};

/// Names that are none of the log's are passed over.
[[nodiscard]] absl::StatusOr<LogDirectory> ListLogDirectory(io::Disk& disk,
                                                            const std::string& directory);

struct LogIdentity {
  std::uint64_t cluster_id = 0;
  NodeId node;
  friend bool operator==(const LogIdentity&, const LogIdentity&) = default;
};

[[nodiscard]] absl::StatusOr<LogIdentity> ReadIdentity(io::Disk& disk,
                                                       const std::string& directory);
[[nodiscard]] absl::Status WriteIdentity(io::Disk& disk, const std::string& directory,
                                         const LogIdentity& identity);

/// FAILED_PRECONDITION, with what to do, when a process has the directory.
[[nodiscard]] absl::StatusOr<std::unique_ptr<io::DiskLock>> LockLogDirectory(
    io::Disk& disk, const std::string& directory);

/// DATA_LOSS: the damage, where it is, and the remedy.
absl::Status Damaged(std::string_view path, std::uint64_t offset, std::string_view what);

/// Creates a file or, when a crash has left one of that name, takes it over.
[[nodiscard]] absl::StatusOr<std::unique_ptr<io::DiskFile>> CreateAnew(io::Disk& disk,
                                                                       const std::string& path);

}  // namespace trireme::raft
