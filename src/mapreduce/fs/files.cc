#include "mapreduce/fs/files.h"

#include <utility>

#include "base/status_macros.h"
#include "mapreduce/fs/aws_account.h"
#include "mapreduce/fs/s3_files.h"
#include "mapreduce/fs/s3_output.h"

namespace trireme::mapreduce {
absl::StatusOr<io::FileSystem*> Files::For(const std::string& path) {
  if (!io::IsObjectPath(path)) return &local_;
  const std::lock_guard lock(mutex_);
  if (s3_ == nullptr) {
    const auto find = [this] { return FindS3Account(options_, ProcessSurroundings()); };
    TRIREME_ASSIGN_OR_RETURN(S3Account account, find());
    s3_ = std::make_unique<S3FileSystem>(options_, std::move(account), find);
  }
  return s3_.get();
}

absl::StatusOr<std::unique_ptr<io::ReadableFile>> Files::Open(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(io::FileSystem * files, For(path));
  return files->Open(path);
}

absl::StatusOr<io::FileStat> Files::Stat(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(io::FileSystem * files, For(path));
  return files->Stat(path);
}

absl::StatusOr<std::vector<io::DirectoryEntry>> Files::List(const std::string& directory) {
  TRIREME_ASSIGN_OR_RETURN(io::FileSystem * files, For(directory));
  return files->List(directory);
}

absl::StatusOr<std::unique_ptr<io::FileWriter>> Files::Create(const std::string& path,
                                                              io::Durability durability) {
  TRIREME_ASSIGN_OR_RETURN(io::FileSystem * files, For(path));
  return files->Create(path, durability);
}

absl::Status Files::Rename(const std::string& from, const std::string& to) {
  TRIREME_ASSIGN_OR_RETURN(io::FileSystem * files, For(from));
  return files->Rename(from, to);
}

absl::Status Files::MakeDirectories(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(io::FileSystem * files, For(path));
  return files->MakeDirectories(path);
}

absl::Status Files::RemoveTree(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(io::FileSystem * files, For(path));
  return files->RemoveTree(path);
}

absl::Status Files::RemoveEmptyDirectory(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(io::FileSystem * files, For(path));
  return files->RemoveEmptyDirectory(path);
}

absl::StatusOr<std::unique_ptr<io::DirectoryLock>> Files::LockDirectory(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(io::FileSystem * files, For(path));
  return files->LockDirectory(path);
}

absl::Status Files::VisitPrefix(const std::string& prefix, const Visit& visit) {
  TRIREME_ASSIGN_OR_RETURN(io::FileSystem * files, For(prefix));
  return files->VisitPrefix(prefix, visit);
}

std::unique_ptr<io::StagedOutput> Files::OpenStagedOutput(const std::string& path) {
  const auto files = For(path);
  if (!files.ok()) return NoOutput(files.status());
  return (*files)->OpenStagedOutput(path);
}

}  // namespace trireme::mapreduce
