#include "mapreduce/fs/local.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/direct_writer.h"
#include "io/file.h"
#include "io/process.h"

namespace trireme::mapreduce {
namespace {

io::FileStat FromStat(const struct stat& from) {
  io::FileStat to;
  to.kind = S_ISREG(from.st_mode)   ? io::FileStat::Kind::kFile
            : S_ISDIR(from.st_mode) ? io::FileStat::Kind::kDirectory
                                    : io::FileStat::Kind::kOther;
  to.size_bytes = static_cast<std::uint64_t>(from.st_size);
  to.identity = fmt::format("{}:{}", from.st_dev, from.st_ino);
  return to;
}

/// Of a name that stat(2) cannot follow: it vanished, or it is a link that leads nowhere.
bool IsBrokenLink(int directory_fd, const char* name, int error) {
  struct stat status;
  return (error == ENOENT || error == ELOOP) &&
         ::fstatat(directory_fd, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISLNK(status.st_mode);
}

io::FileStat BrokenLink() {
  io::FileStat stat;
  stat.kind = io::FileStat::Kind::kBrokenLink;
  return stat;
}

class LocalReadableFile final : public io::ReadableFile {
 public:
  explicit LocalReadableFile(io::File file) : file_(std::move(file)) {}
  absl::StatusOr<std::uint64_t> Size() const override { return file_.Size(); }
  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, char* to,
                                     std::size_t size) const override {
    return file_.ReadAt(offset, to, size);
  }
  void ExpectSequential(std::uint64_t offset, std::uint64_t length) const override {
    // Only a hint: its failure changes nothing.
    (void)::posix_fadvise(file_.fd(), static_cast<off_t>(offset), static_cast<off_t>(length),
                          POSIX_FADV_SEQUENTIAL);
  }

 private:
  io::File file_;
};

std::string Parent(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// A name beside `path` that no other writer of this machine uses now.
std::string TemporaryName(const std::string& path) {
  static std::atomic<std::uint64_t> counter{0};
  const std::size_t slash = path.rfind('/');
  const std::size_t name = slash == std::string::npos ? 0 : slash + 1;
  return fmt::format("{}{}{}.{}.{}", path.substr(0, name), io::kTemporaryPrefix, path.substr(name),
                     ::getpid(), counter.fetch_add(1, std::memory_order_relaxed));
}

class LocalFileWriter final : public io::FileWriter {
 public:
  LocalFileWriter(io::File file, std::string path, io::Durability durability)
      : file_(std::move(file)), path_(std::move(path)), durability_(durability) {
    if (durability == io::Durability::kPowerLoss) direct_.emplace(&file_);
  }
  ~LocalFileWriter() override { Abort(); }

  absl::Status Append(std::string_view bytes) override {
    return direct_ ? direct_->Append(bytes) : file_.Append(bytes);
  }

  absl::Status Commit() override {
    absl::Status status = Publish();
    if (!status.ok()) Abort();
    return status;
  }

  void Abort() override {
    if (std::exchange(done_, true)) return;
    direct_.reset();
    ::unlink(file_.path().c_str());
  }

 private:
  absl::Status Publish() {
    const bool sync = durability_ == io::Durability::kPowerLoss;
    if (direct_) TRIREME_RETURN_IF_ERROR(direct_->Finish());
    direct_.reset();
    if (sync) TRIREME_RETURN_IF_ERROR(file_.Sync());
    TRIREME_RETURN_IF_ERROR(file_.Close());
    if (std::rename(file_.path().c_str(), path_.c_str()) != 0)
      return io::ErrnoStatus("rename to", path_, errno);
    done_ = true;
    return sync ? io::SyncDirectory(Parent(path_)) : absl::OkStatus();
  }

  io::File file_;  // its path is the temporary name
  std::string path_;
  io::Durability durability_;
  std::optional<io::DirectWriter> direct_;  // of a file that must reach the disk anyway
  bool done_ = false;                       // the temporary name is gone
};

}  // namespace

absl::StatusOr<std::unique_ptr<io::ReadableFile>> LocalFileSystem::Open(const std::string& path) {
  TRIREME_ASSIGN_OR_RETURN(io::File file, io::File::OpenForRead(path));
  return std::make_unique<LocalReadableFile>(std::move(file));
}

absl::StatusOr<io::FileStat> LocalFileSystem::Stat(const std::string& path) {
  struct stat status;
  if (::stat(path.c_str(), &status) == 0) return FromStat(status);
  const int error = errno;
  if (IsBrokenLink(AT_FDCWD, path.c_str(), error)) return BrokenLink();
  return io::ErrnoStatus("stat", path, error);
}

absl::StatusOr<std::vector<io::DirectoryEntry>> LocalFileSystem::List(
    const std::string& directory) {
  struct Closer {
    void operator()(DIR* d) const { ::closedir(d); }
  };
  const std::unique_ptr<DIR, Closer> stream(::opendir(directory.c_str()));
  if (stream == nullptr) return io::ErrnoStatus("open directory", directory, errno);
  std::vector<io::DirectoryEntry> entries;
  for (;;) {
    errno = 0;
    const struct dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat status;
    if (::fstatat(::dirfd(stream.get()), entry->d_name, &status, 0) != 0) {
      const int error = errno;
      if (IsBrokenLink(::dirfd(stream.get()), entry->d_name, error)) {
        entries.push_back({std::string(name), BrokenLink()});
        continue;
      }
      if (error == ENOENT) continue;
      return io::ErrnoStatus("stat", fmt::format("{}/{}", directory, name), error);
    }
    entries.push_back({std::string(name), FromStat(status)});
  }
  if (errno != 0) return io::ErrnoStatus("read directory", directory, errno);
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return entries;
}

absl::StatusOr<std::unique_ptr<io::FileWriter>> LocalFileSystem::Create(const std::string& path,
                                                                        io::Durability durability) {
  TRIREME_ASSIGN_OR_RETURN(io::File file, io::File::Create(TemporaryName(path)));
  return std::make_unique<LocalFileWriter>(std::move(file), path, durability);
}

absl::Status LocalFileSystem::Rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0)
    return io::ErrnoStatus("rename", fmt::format("{} to {}", from, to), errno);
  return absl::OkStatus();
}

absl::Status LocalFileSystem::MakeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return io::ErrnoStatus("create directory", path, error.value());
  return absl::OkStatus();
}

namespace {

/// Others may remove what is theirs in the tree, or put something there, while it is removed: then
/// it is gone through again, so many times.
constexpr int kRemoveTreeTriesMax = 100;

bool ChangedMeanwhile(const std::error_code& error) {
  return error == std::errc::no_such_file_or_directory || error == std::errc::directory_not_empty;
}

}  // namespace

absl::Status LocalFileSystem::RemoveTree(const std::string& path) {
  std::error_code error;
  for (int i = 0; i < kRemoveTreeTriesMax; ++i) {
    std::filesystem::remove_all(path, error);
    if (!error) return absl::OkStatus();
    if (!ChangedMeanwhile(error)) break;
  }
  return io::ErrnoStatus("remove", path, error.value());
}

absl::Status LocalFileSystem::RemoveEmptyDirectory(const std::string& path) {
  if (::rmdir(path.c_str()) != 0) return io::ErrnoStatus("remove directory", path, errno);
  return absl::OkStatus();
}

namespace {

class FlockedDirectory final : public io::DirectoryLock {
 public:
  explicit FlockedDirectory(io::Fd fd) : fd_(std::move(fd)) {}

 private:
  io::Fd fd_;
};

/// The process that holds a lock on this file, as /proc/locks has it; 0 when it cannot be told.
int LockHolder(const struct stat& file) {
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    int pid = 0;
    unsigned long inode = 0;
    if (std::sscanf(line.c_str(), "%*s %*s %*s %*s %d %*x:%*x:%lu", &pid, &inode) == 2 &&
        inode == file.st_ino && pid > 0)
      return pid;
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<io::DirectoryLock>> LocalFileSystem::LockDirectory(
    const std::string& path) {
  io::Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return absl::AbortedError(path + " was removed meanwhile");
  if (!fd) return io::ErrnoStatus("open directory", path, errno);
  struct stat locked, named;
  if (::fstat(fd.get(), &locked) != 0) return io::ErrnoStatus("stat", path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return nullptr;  // as on some network file systems
    const int holder = LockHolder(locked);
    return absl::AlreadyExistsError(holder == 0 ? "another process"
                                                : fmt::format("process {}", holder));
  }
  // Whoever held it may have removed the directory: then this lock is on nothing.
  if (::stat(path.c_str(), &named) != 0 || named.st_ino != locked.st_ino ||
      named.st_dev != locked.st_dev)
    return absl::AbortedError(path + " was removed meanwhile");
  return std::make_unique<FlockedDirectory>(std::move(fd));
}

}  // namespace trireme::mapreduce
