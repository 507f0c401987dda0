#include "io/posix_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/direct_file.h"
#include "io/file.h"

namespace trireme::io {
namespace {

/// Closes on destruction.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

/// Drops `done` bytes from the front of [*at, end).
void Advance(std::size_t done, iovec** at, iovec* end) {
  while (*at < end && done >= (*at)->iov_len) {
    done -= (*at)->iov_len;
    ++*at;
  }
  if (*at == end) return;
  (*at)->iov_base = static_cast<char*>((*at)->iov_base) + done;
  (*at)->iov_len -= done;
}

class PosixFile final : public DiskFile {
 public:
  PosixFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, char* to,
                                     std::size_t size) const override {
    std::size_t done = 0;
    while (done < size) {
      const ssize_t n =
          ::pread(fd_.get(), to + done, size - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus("read", path_, errno);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

  void WillRead() const override { (void)::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_WILLNEED); }

  absl::Status WriteAt(std::uint64_t offset, std::span<const std::string_view> parts) override {
    std::vector<iovec> vector;
    vector.reserve(parts.size());
    for (const std::string_view part : parts) {
      if (!part.empty()) vector.push_back({const_cast<char*>(part.data()), part.size()});
    }
    iovec* at = vector.data();
    iovec* const end = at + vector.size();
    while (at < end) {
      const auto count = static_cast<int>(std::min<std::ptrdiff_t>(end - at, IOV_MAX));
      const ssize_t n = ::pwritev(fd_.get(), at, count, static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return ErrnoStatus("write", path_, errno);
      offset += static_cast<std::uint64_t>(n);
      Advance(static_cast<std::size_t>(n), &at, end);
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    if (::fdatasync(fd_.get()) != 0) return ErrnoStatus("fdatasync", path_, errno);
    return absl::OkStatus();
  }

  absl::Status Allocate(std::uint64_t size) override {
    int error = 0;
    do {
      error = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(size));
    } while (error == EINTR);
    if (error != 0) return ErrnoStatus("allocate", path_, error);
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0)
      return ErrnoStatus("truncate", path_, errno);
    return absl::OkStatus();
  }

  absl::StatusOr<std::uint64_t> Size() const override {
    struct stat status;
    if (::fstat(fd_.get(), &status) != 0) return ErrnoStatus("stat", path_, errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

 private:
  Descriptor fd_;
  std::string path_;
};

class PosixLock final : public DiskLock {
 public:
  explicit PosixLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  Descriptor fd_;
};

int FlagsOf(OpenMode mode) {
  switch (mode) {
    case OpenMode::kRead:
      return O_RDONLY;
    case OpenMode::kReadWrite:
    case OpenMode::kOverwrite:
      return O_RDWR;
    case OpenMode::kCreate:
      return O_RDWR | O_CREAT | O_EXCL;
  }
  return O_RDONLY;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DiskFile>> PosixDisk::Open(const std::string& path, OpenMode mode) {
  Descriptor fd(::open(path.c_str(), FlagsOf(mode) | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (fd.get() < 0) return ErrnoStatus("open", path, errno);
  auto file = std::make_unique<PosixFile>(std::move(fd), path);
  if (mode == OpenMode::kOverwrite) return DirectFile::Over(std::move(file), path);
  return file;
}

absl::StatusOr<std::vector<DiskEntry>> PosixDisk::List(const std::string& directory) {
  DIR* const stream = ::opendir(directory.c_str());
  if (stream == nullptr) return ErrnoStatus("open directory", directory, errno);
  std::vector<DiskEntry> found;
  int error = 0;
  while (error == 0) {
    errno = 0;
    const dirent* const entry = ::readdir(stream);
    if (entry == nullptr) {
      error = errno;
      break;
    }
    struct stat status;
    if (::fstatat(::dirfd(stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      error = errno == ENOENT ? 0 : errno;
    } else if (S_ISREG(status.st_mode)) {
      found.push_back({entry->d_name, static_cast<std::uint64_t>(status.st_size)});
    }
  }
  ::closedir(stream);
  if (error != 0) return ErrnoStatus("read directory", directory, error);
  std::sort(found.begin(), found.end(),
            [](const DiskEntry& a, const DiskEntry& b) { return a.name < b.name; });
  return found;
}

absl::Status PosixDisk::Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return ErrnoStatus("rename", from, errno);
  return absl::OkStatus();
}

absl::Status PosixDisk::Remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return ErrnoStatus("remove", path, errno);
  return absl::OkStatus();
}

absl::Status PosixDisk::MakeDirectories(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  std::vector<fs::path> missing;
  for (fs::path at = fs::absolute(path, error); !at.empty() && !fs::exists(at, error);
       at = at.parent_path()) {
    missing.push_back(at);
  }
  for (auto at = missing.rbegin(); at != missing.rend(); ++at) {
    if (::mkdir(at->c_str(), 0755) != 0 && errno != EEXIST)
      return ErrnoStatus("mkdir", at->string(), errno);
    TRIREME_RETURN_IF_ERROR(SyncDirectory(at->parent_path().string()));
  }
  return absl::OkStatus();
}

absl::Status PosixDisk::SyncDirectory(const std::string& directory) {
  return io::SyncDirectory(directory);
}

absl::StatusOr<std::unique_ptr<DiskLock>> PosixDisk::Lock(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (fd.get() < 0) return ErrnoStatus("open", path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return std::make_unique<PosixLock>(std::move(fd));
  if (errno != EWOULDBLOCK) return ErrnoStatus("lock", path, errno);
  return absl::FailedPreconditionError(fmt::format("{} is locked by another process", path));
}

}  // namespace trireme::io
