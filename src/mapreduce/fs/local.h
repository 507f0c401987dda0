#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/file_system.h"

namespace trireme::mapreduce {

/// The files of this machine. Stateless; every method may run on several threads at once.
class LocalFileSystem : public io::FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<io::ReadableFile>> Open(const std::string& path) override;
  absl::StatusOr<io::FileStat> Stat(const std::string& path) override;
  absl::StatusOr<std::vector<io::DirectoryEntry>> List(const std::string& directory) override;
  absl::StatusOr<std::unique_ptr<io::FileWriter>> Create(const std::string& path,
                                                         io::Durability durability) override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status MakeDirectories(const std::string& path) override;
  absl::Status RemoveTree(const std::string& path) override;
  absl::Status RemoveEmptyDirectory(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<io::DirectoryLock>> LockDirectory(
      const std::string& path) override;
};

}  // namespace trireme::mapreduce
