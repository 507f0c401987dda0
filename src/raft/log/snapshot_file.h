#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <trireme/raft/log_store.h>
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/disk.h"
#include "raft/log/directory.h"

/// docs/formats/raft-log.md, "Snapshot files".
namespace trireme::raft {

inline constexpr std::uint64_t kSnapshotPieceBytes = 64u << 10;

/// What the file of a snapshot of so many bytes has.
std::uint64_t SnapshotFileBytes(std::uint64_t size_bytes);

/// Reads a snapshot's file. Any thread.
class SnapshotFile {
 public:
  /// DATA_LOSS when it is not what it should be, or has an impossible size.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const SnapshotFile>> Open(
      io::Disk& disk, const std::string& path, const LogIdentity& identity, GroupId group,
      LogPosition last);

  std::uint64_t size_bytes() const { return size_bytes_; }
  /// Up to bytes_max bytes from `offset` on; fewer only at the end. DATA_LOSS where they are
  /// damaged.
  [[nodiscard]] absl::StatusOr<std::string> Read(std::uint64_t offset,
                                                 std::uint64_t bytes_max) const;
  /// Reads all of it. OK when it is sound.
  [[nodiscard]] absl::Status Verify() const;

 private:
  absl::Status ReadPiece(std::uint64_t piece, std::string* to) const;

  std::string path_;
  std::unique_ptr<io::DiskFile> file_;
  std::uint32_t seed_ = 0;
  std::uint64_t size_bytes_ = 0;
};

/// Begins the file of a snapshot under a temporary name that nobody else uses.
[[nodiscard]] absl::StatusOr<std::unique_ptr<SnapshotWriter>> CreateSnapshotFile(
    io::Disk& disk, const std::string& directory, const LogIdentity& identity, GroupId group,
    LogPosition last);

}  // namespace trireme::raft
