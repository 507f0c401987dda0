#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

/// The seam between the product and where files live. Called per batch of bytes, never per record.
namespace trireme::io {

/// A file found by listing or expansion.
struct FileInfo {
  std::string path;
  std::uint64_t size_bytes = 0;
};

struct FileStat {
  enum class Kind : std::uint8_t {
    kFile,
    kDirectory,
    kBrokenLink,  ///< a symbolic link that leads nowhere
    kOther,       ///< a pipe, a socket, a device
  };
  Kind kind = Kind::kFile;
  std::uint64_t size_bytes = 0;
  /// Equal for two paths exactly when they lead to the same object; empty when the system has no
  /// links (so that no path can lead back to itself).
  std::string identity;
};

/// One name within a directory; what it is follows symbolic links.
struct DirectoryEntry {
  std::string name;
  FileStat stat;
};

/// A file open for positional reads, which may run on several threads at once.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  [[nodiscard]] virtual absl::StatusOr<std::uint64_t> Size() const = 0;
  /// Reads up to `size` bytes at `offset`; fewer only at the end of the file.
  [[nodiscard]] virtual absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, char* to,
                                                           std::size_t size) const = 0;
  /// A hint: the range will be read from its front to its end.
  virtual void ExpectSequential(std::uint64_t /*offset*/, std::uint64_t /*length*/) const {}
};

/// Writes a file that appears under its name whole or not at all: bytes go to a temporary name in
/// the same directory, which Commit makes durable and renames. Destroying it uncommitted is Abort.
class FileWriter {
 public:
  virtual ~FileWriter() = default;
  [[nodiscard]] virtual absl::Status Append(std::string_view bytes) = 0;
  /// After a failure the file does not exist under its name (an older one of that name still may).
  [[nodiscard]] virtual absl::Status Commit() = 0;
  virtual void Abort() = 0;
};

/// How much a committed file must survive.
enum class Durability : std::uint8_t {
  kPowerLoss,  ///< the bytes are synced before the rename, the directory after it
  kProcess,    ///< the death of this process only; the page cache is trusted
};

/// Held for as long as it exists, and no longer than its process.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;
};

/// A job's output where bytes cannot be renamed once they have a name (an object store): part files
/// that are created below kStagingDirectory and committed appear, beside that directory, when the
/// job's output is finished. Every step may be repeated after its maker has died at any point.
class StagedOutput {
 public:
  virtual ~StagedOutput() = default;
  /// ALREADY_EXISTS when another job writes there, unless `overwrite`.
  [[nodiscard]] virtual absl::Status Prepare(bool overwrite) = 0;
  /// Replaces an older output by what was committed; `_SUCCESS` last.
  [[nodiscard]] virtual absl::Status Finish() = 0;
  /// Removes what the job wrote; an older output stays.
  virtual void Abandon() = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<ReadableFile>> Open(
      const std::string& path) = 0;
  [[nodiscard]] virtual absl::StatusOr<FileStat> Stat(const std::string& path) = 0;
  /// The names in a directory, sorted bytewise, without "." and "..". A name that vanishes
  /// meanwhile is left out.
  [[nodiscard]] virtual absl::StatusOr<std::vector<DirectoryEntry>> List(
      const std::string& directory) = 0;
  /// `path` appears at Commit, replacing an older file of that name.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<FileWriter>> Create(
      const std::string& path, Durability durability) = 0;
  /// Gives the file or directory another name on the same system, replacing a file of that name.
  [[nodiscard]] virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  /// Makes the directory and its missing parents; one that exists is fine.
  [[nodiscard]] virtual absl::Status MakeDirectories(const std::string& path) = 0;
  /// Removes a file, or a directory and what is in it (links are removed, not followed). What does
  /// not exist counts as removed.
  [[nodiscard]] virtual absl::Status RemoveTree(const std::string& path) = 0;
  /// Fails, and removes nothing, when there is something in it.
  [[nodiscard]] virtual absl::Status RemoveEmptyDirectory(const std::string& path) = 0;
  /// Takes the directory for this process, which others that ask then find out. ALREADY_EXISTS says
  /// who has it; ABORTED: it was removed meanwhile. Null where the system knows no such locks.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<DirectoryLock>> LockDirectory(
      const std::string& path) = 0;

  /// Where names are flat: calls `visit` for every file whose path begins with `prefix`, in any
  /// order, a page of the listing at a time. A directory tree answers UNIMPLEMENTED.
  using Visit = std::function<absl::Status(FileInfo)>;
  [[nodiscard]] virtual absl::Status VisitPrefix(const std::string& prefix,
                                                 const Visit& /*visit*/) {
    return absl::UnimplementedError(prefix);
  }
  /// Null where files can be renamed, which serves a job's output better.
  virtual std::unique_ptr<StagedOutput> OpenStagedOutput(const std::string& /*path*/) {
    return nullptr;
  }
};

/// Names that a FileWriter uses before Commit begin like this, so that a cleaner can tell what a
/// killed process left behind. Input expansion passes over them as over all hidden names.
inline constexpr std::string_view kTemporaryPrefix = "_tmp.";

/// Of a job's output: where its parts are until the job has succeeded.
inline constexpr std::string_view kStagingDirectory = "_temporary";

/// Whether a path is the name of an object in a store, "SCHEME://...", and not of a local file.
inline bool IsObjectPath(std::string_view path) {
  return path.starts_with("s3://");
}

}  // namespace trireme::io
