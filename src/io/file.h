#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace trireme::io {

/// The status for the failed system call `what` on `path`, from errno: NOT_FOUND,
/// PERMISSION_DENIED, ALREADY_EXISTS, RESOURCE_EXHAUSTED (no space, quota), otherwise INTERNAL.
absl::Status ErrnoStatus(std::string_view what, std::string_view path, int error);

/// An open file of the local disk, closed on destruction. Movable. Positional reads may run on
/// several threads at once; writes may not.
class File {
 public:
  File() = default;
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  [[nodiscard]] static absl::StatusOr<File> OpenForRead(const std::string& path);
  /// Creates or truncates.
  [[nodiscard]] static absl::StatusOr<File> Create(const std::string& path);

  /// Reads up to `size` bytes at `offset`; fewer only at the end of the file.
  [[nodiscard]] absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, char* to,
                                                   std::size_t size) const;
  [[nodiscard]] absl::Status Append(std::string_view bytes);
  [[nodiscard]] absl::Status Sync();
  [[nodiscard]] absl::StatusOr<std::uint64_t> Size() const;
  /// Closing reports errors that a destructor would swallow.
  [[nodiscard]] absl::Status Close();

  int fd() const { return fd_; }
  const std::string& path() const { return path_; }

 private:
  File(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  int fd_ = -1;
  std::string path_;
};

/// Makes the directory entries under `directory` durable.
[[nodiscard]] absl::Status SyncDirectory(const std::string& directory);

}  // namespace trireme::io
