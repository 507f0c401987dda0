#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "io/file_system.h"
#include "mapreduce/fs/local.h"
#include "mapreduce/fs/s3_options.h"

namespace trireme::mapreduce {

/// All files that a job may name: `s3://BUCKET/KEY` in the object store, anything else on this
/// machine. The store is looked for (credentials, endpoint) when it is first named. Thread-safe.
class Files final : public io::FileSystem {
 public:
  explicit Files(S3Options options = {}) : options_(std::move(options)) {}

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
  absl::Status VisitPrefix(const std::string& prefix, const Visit& visit) override;
  std::unique_ptr<io::StagedOutput> OpenStagedOutput(const std::string& path) override;

  const S3Options& s3_options() const { return options_; }

 private:
  absl::StatusOr<io::FileSystem*> For(const std::string& path);

  const S3Options options_;
  LocalFileSystem local_;
  std::mutex mutex_;
  std::unique_ptr<io::FileSystem> s3_;  // Guarded by mutex_; once made it stays.
};

}  // namespace trireme::mapreduce
