#pragma once

#include "io/disk.h"

namespace trireme::io {

/// The system's files. Stateless and thread-safe. Files are opened without following a symbolic
/// link in the last component of the path.
class PosixDisk final : public Disk {
 public:
  [[nodiscard]] absl::StatusOr<std::unique_ptr<DiskFile>> Open(const std::string& path,
                                                               OpenMode mode) override;
  [[nodiscard]] absl::StatusOr<std::vector<DiskEntry>> List(const std::string& directory) override;
  [[nodiscard]] absl::Status Rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] absl::Status Remove(const std::string& path) override;
  [[nodiscard]] absl::Status MakeDirectories(const std::string& path) override;
  [[nodiscard]] absl::Status SyncDirectory(const std::string& directory) override;
  [[nodiscard]] absl::StatusOr<std::unique_ptr<DiskLock>> Lock(const std::string& path) override;
};

}  // namespace trireme::io
