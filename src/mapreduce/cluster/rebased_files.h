#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/file_system.h"

namespace trireme::mapreduce {

/// Another file system with relative paths taken from `base`, so that a job means the same files
/// wherever its tasks run. Paths keep the names the user gave them.
class RebasedFileSystem final : public io::FileSystem {
 public:
  RebasedFileSystem(io::FileSystem* files, std::string base)
      : files_(*files), base_(std::move(base)) {}

  absl::StatusOr<std::unique_ptr<io::ReadableFile>> Open(const std::string& path) override {
    return files_.Open(Find(path));
  }
  absl::StatusOr<io::FileStat> Stat(const std::string& path) override {
    return files_.Stat(Find(path));
  }
  absl::StatusOr<std::vector<io::DirectoryEntry>> List(const std::string& directory) override {
    return files_.List(Find(directory));
  }
  absl::StatusOr<std::unique_ptr<io::FileWriter>> Create(const std::string& path,
                                                         io::Durability durability) override {
    return files_.Create(Find(path), durability);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return files_.Rename(Find(from), Find(to));
  }
  absl::Status MakeDirectories(const std::string& path) override {
    return files_.MakeDirectories(Find(path));
  }
  absl::Status RemoveTree(const std::string& path) override {
    return files_.RemoveTree(Find(path));
  }
  absl::Status RemoveEmptyDirectory(const std::string& path) override {
    return files_.RemoveEmptyDirectory(Find(path));
  }
  absl::StatusOr<std::unique_ptr<io::DirectoryLock>> LockDirectory(
      const std::string& path) override {
    return files_.LockDirectory(Find(path));
  }
  absl::Status VisitPrefix(const std::string& prefix, const Visit& visit) override {
    return files_.VisitPrefix(Find(prefix), visit);
  }
  std::unique_ptr<io::StagedOutput> OpenStagedOutput(const std::string& path) override {
    return files_.OpenStagedOutput(Find(path));
  }

 private:
  std::string Find(const std::string& path) const {
    const bool whole = path.starts_with('/') || io::IsObjectPath(path);
    return base_.empty() || whole ? path : base_ + "/" + path;
  }

  io::FileSystem& files_;
  const std::string base_;
};

}  // namespace trireme::mapreduce
