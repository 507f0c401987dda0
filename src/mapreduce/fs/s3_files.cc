#include "mapreduce/fs/s3_files.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/fs/s3_output.h"
#include "mapreduce/fs/s3_reader.h"
#include "mapreduce/fs/s3_writer.h"

namespace trireme::mapreduce {
namespace {

io::FileStat FileOf(std::uint64_t size_bytes) {
  io::FileStat stat;
  stat.size_bytes = size_bytes;
  return stat;
}

io::FileStat Directory() {
  io::FileStat stat;
  stat.kind = io::FileStat::Kind::kDirectory;
  return stat;
}

absl::StatusOr<S3Path> ParseFile(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(S3Path parsed, ParseS3Path(path));
  if (parsed.key.empty() || parsed.key.ends_with('/'))
    return absl::InvalidArgumentError(
        fmt::format("'{}' is a bucket or a directory: name an object", path));
  return parsed;
}

/// "OUT/_temporary/part-r-00000" is a part of OUT.
bool SplitStaged(const S3Path& path, S3Path* root, std::string* name) {
  const std::string middle = fmt::format("/{}/", io::kStagingDirectory);
  const std::size_t at = path.key.rfind(middle);
  if (at == std::string::npos) return false;
  *root = {path.bucket, path.key.substr(0, at)};
  *name = path.key.substr(at + middle.size());
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<io::ReadableFile>> S3FileSystem::Open(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(S3Path parsed, ParseFile(path));
  return OpenS3Object(&client_, std::move(parsed));
}

absl::StatusOr<io::FileStat> S3FileSystem::Stat(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(const S3Path parsed, ParseS3Path(path));
  if (parsed.key.empty() || parsed.key.ends_with('/')) return StatDirectory(parsed);
  const auto head = client_.Head(parsed);
  if (head.ok()) return FileOf(head->size_bytes);
  // Also for other errors: an answer to HEAD does not say what is wrong.
  const auto directory = StatDirectory(parsed);
  const bool missing = absl::IsNotFound(head.status()) || !absl::IsNotFound(directory.status());
  if (directory.ok() && !absl::IsNotFound(head.status())) return head.status();
  return missing ? directory : head.status();
}

absl::StatusOr<io::FileStat> S3FileSystem::StatDirectory(const S3Path& path) {
  TRIREME_ASSIGN_OR_RETURN(const S3ObjectPage page,
                           client_.List({path.bucket, path.Prefix()}, "", "", 1));
  if (!page.objects.empty() || path.key.empty()) return Directory();
  return absl::NotFoundError(fmt::format("{}: there is no such object", path.ToString()));
}

absl::StatusOr<std::vector<io::DirectoryEntry>> S3FileSystem::List(const std::string& directory) {
  TRIREME_ASSIGN_OR_RETURN(const S3Path path, ParseS3Path(directory));
  const std::string prefix = path.Prefix();
  std::vector<io::DirectoryEntry> entries;
  std::string token;
  do {
    TRIREME_ASSIGN_OR_RETURN(const S3ObjectPage page,
                             client_.List({path.bucket, prefix}, "/", token));
    for (const S3ListedObject& object : page.objects) {
      if (object.key.size() > prefix.size() && object.key.starts_with(prefix))
        entries.push_back({object.key.substr(prefix.size()), FileOf(object.size_bytes)});
    }
    for (const std::string& below : page.prefixes) {
      if (below.size() > prefix.size() + 1 && below.starts_with(prefix))
        entries.push_back(
            {below.substr(prefix.size(), below.size() - prefix.size() - 1), Directory()});
    }
    token = page.next_token;
  } while (!token.empty());
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

absl::StatusOr<std::unique_ptr<io::FileWriter>> S3FileSystem::Create(const std::string& path,
                                                                     io::Durability) {
  TRIREME_ASSIGN_OR_RETURN(S3Path parsed, ParseFile(path));
  S3Path root;
  std::string name;
  if (SplitStaged(parsed, &root, &name)) return StageS3Part(&client_, std::move(root), name);
  return CreateS3Object(&client_, std::move(parsed));
}

absl::Status S3FileSystem::Rename(const std::string& from, const std::string&) {
  return absl::UnimplementedError(fmt::format("{}: objects have one name for life", from));
}

absl::Status S3FileSystem::MakeDirectories(const std::string&) {
  return absl::OkStatus();
}

absl::Status S3FileSystem::RemoveTree(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(const S3Path parsed, ParseS3Path(path));
  if (parsed.key.empty())
    return absl::InvalidArgumentError(fmt::format("{} is a whole bucket", path));
  TRIREME_RETURN_IF_ERROR(client_.AbortUploads({parsed.bucket, parsed.Prefix()}));
  TRIREME_RETURN_IF_ERROR(client_.DeletePrefix({parsed.bucket, parsed.Prefix()}));
  return parsed.key.ends_with('/') ? absl::OkStatus() : client_.Delete(parsed);
}

absl::Status S3FileSystem::RemoveEmptyDirectory(const std::string&) {
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<io::DirectoryLock>> S3FileSystem::LockDirectory(const std::string&) {
  return nullptr;
}

absl::Status S3FileSystem::VisitPrefix(const std::string& prefix, const Visit& visit) {
  TRIREME_ASSIGN_OR_RETURN(const S3Path path, ParseS3Path(prefix));
  std::string token;
  do {
    TRIREME_ASSIGN_OR_RETURN(const S3ObjectPage page, client_.List(path, "", token));
    for (const S3ListedObject& object : page.objects) {
      // A name with a slash at its end is how some tools write an empty directory.
      if (object.key.ends_with('/')) continue;
      TRIREME_RETURN_IF_ERROR(
          visit({S3Path{path.bucket, object.key}.ToString(), object.size_bytes}));
    }
    token = page.next_token;
  } while (!token.empty());
  return absl::OkStatus();
}

std::unique_ptr<io::StagedOutput> S3FileSystem::OpenStagedOutput(const std::string& path) {
  absl::StatusOr<S3Path> root = ParseS3Output(path);
  if (!root.ok()) return NoOutput(root.status());
  return std::make_unique<S3Output>(&client_, *std::move(root));
}

}  // namespace trireme::mapreduce
