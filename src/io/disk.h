#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

/// The seam under everything that must survive a crash: files written in place, with every sync
/// visible. (file_system.h is the seam for files that are written once and appear whole.) What it
/// promises is what POSIX and Linux promise and no more, after Pillai et al., "All File Systems Are
/// Not Created Equal" (OSDI '14): until DiskFile::Sync, any sectors of what was written may or may
/// not survive a crash, in any order; until Disk::SyncDirectory, any of the names that were
/// created, renamed or removed may or may not be as they were before.
namespace trireme::io {

/// An open file. Reads may run on several threads at once, and beside a write of other bytes;
/// writes may not run beside each other.
class DiskFile {
 public:
  virtual ~DiskFile() = default;
  /// Reads up to `size` bytes at `offset`; fewer only at the end of the file.
  [[nodiscard]] virtual absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, char* to,
                                                           std::size_t size) const = 0;
  /// All of it will be read soon: the system may begin.
  virtual void WillRead() const {}
  /// Writes the parts one after the other at `offset`, in one gather call where the system's limit
  /// on their number permits. After a failure any of the bytes may have been written.
  [[nodiscard]] virtual absl::Status WriteAt(std::uint64_t offset,
                                             std::span<const std::string_view> parts) = 0;
  /// Where `size` bytes for `offset` may be put together so that nobody copies them again; null:
  /// nowhere, they are for WriteAt. The place is good until the next call that writes.
  [[nodiscard]] virtual absl::StatusOr<char*> Stage(std::uint64_t /*offset*/,
                                                    std::size_t /*size*/) {
    return nullptr;
  }
  /// Writes what stands there, as WriteAt would.
  [[nodiscard]] virtual absl::Status WriteStaged() {
    return absl::FailedPreconditionError("nothing is staged");
  }
  /// Makes what was written, and the file's size, durable (fdatasync). After a failure nobody knows
  /// which of it is, and a second call that succeeds proves nothing: Rebello et al., "Can
  /// Applications Recover from fsync Failures?" (USENIX ATC '20).
  [[nodiscard]] virtual absl::Status Sync() = 0;
  /// Gives the file this size and room for it, so that writing within it later cannot fail for lack
  /// of space. New bytes read as zero. RESOURCE_EXHAUSTED when the disk is full.
  [[nodiscard]] virtual absl::Status Allocate(std::uint64_t size) = 0;
  [[nodiscard]] virtual absl::StatusOr<std::uint64_t> Size() const = 0;
  /// Whether writes go past the system's cache: with kOverwrite, where that can be. From any
  /// thread.
  virtual bool bypasses_cache() const { return false; }
};

/// Held until destroyed, or until the process dies.
class DiskLock {
 public:
  virtual ~DiskLock() = default;
};

enum class OpenMode : std::uint8_t {
  kRead,
  kReadWrite,
  kCreate,  ///< Must not exist; read and write.
  /// As kReadWrite, of a file that has its size and all its blocks, for writes that follow one on
  /// the other and are synced soon. What stands between the end of a write and the end of its block
  /// of kOverwriteBlockBytes becomes zero. In return writes may bypass the system's cache.
  kOverwrite,
};

inline constexpr std::uint64_t kOverwriteBlockBytes = 4096;

struct DiskEntry {
  std::string name;
  std::uint64_t size_bytes = 0;
};

class Disk {
 public:
  virtual ~Disk() = default;
  /// NOT_FOUND; with kCreate ALREADY_EXISTS.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<DiskFile>> Open(const std::string& path,
                                                                       OpenMode mode) = 0;
  /// The regular files of a directory, sorted by name.
  [[nodiscard]] virtual absl::StatusOr<std::vector<DiskEntry>> List(
      const std::string& directory) = 0;
  /// Replaces a file of the name `to`. Atomic, not durable before SyncDirectory.
  [[nodiscard]] virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  /// NOT_FOUND when there is none. Not durable before SyncDirectory.
  [[nodiscard]] virtual absl::Status Remove(const std::string& path) = 0;
  /// Makes a directory and its missing parents, durably; one that exists is fine.
  [[nodiscard]] virtual absl::Status MakeDirectories(const std::string& path) = 0;
  [[nodiscard]] virtual absl::Status SyncDirectory(const std::string& directory) = 0;
  /// Creates the file `path` if need be and locks it against other lockers, on this machine, in
  /// this process or another. FAILED_PRECONDITION when it is locked.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<DiskLock>> Lock(const std::string& path) = 0;
};

}  // namespace trireme::io
