#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/file_system.h"
#include "mapreduce/fs/s3_client.h"

namespace trireme::mapreduce {

/// Objects of an S3 store by `s3://BUCKET/KEY`. A directory is what names with slashes suggest: it
/// is there as long as something is in it, and need not be made. Thread-safe.
class S3FileSystem final : public io::FileSystem {
 public:
  S3FileSystem(S3Options options, S3Account account, S3Client::Refresh refresh)
      : client_(std::move(options), std::move(account), std::move(refresh)) {}

  absl::StatusOr<std::unique_ptr<io::ReadableFile>> Open(const std::string& path) override;
  absl::StatusOr<io::FileStat> Stat(const std::string& path) override;
  absl::StatusOr<std::vector<io::DirectoryEntry>> List(const std::string& directory) override;
  /// Below kStagingDirectory: a part that appears when the output of its job is finished.
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

 private:
  absl::StatusOr<io::FileStat> StatDirectory(const S3Path& path);

  S3Client client_;
};

}  // namespace trireme::mapreduce
