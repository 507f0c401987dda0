#include "mapreduce/cluster/scratch.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/file.h"

namespace trireme::mapreduce {
namespace {

constexpr char kPrefix[] = "run-";
constexpr int kTriesMax = 100;

io::Fd Lock(const std::string& directory, int flags) {
  io::Fd fd(::open((directory + "/lock").c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return {};
  return fd;
}

/// Removes the directories whose owners hold no lock any more.
void RemoveStale(const std::string& base) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(base, error)) {
    if (!entry.path().filename().string().starts_with(kPrefix)) continue;
    if (const io::Fd lock = Lock(entry.path().string(), O_RDWR))
      std::filesystem::remove_all(entry.path(), error);
  }
}

/// The default's parent is writable by all: what is there must be ours.
absl::Status MakeBase(const std::string& base) {
  struct stat status;
  if (::mkdir(base.c_str(), 0700) == 0) return absl::OkStatus();
  if (errno != EEXIST) return io::ErrnoStatus("create directory", base, errno);
  if (::lstat(base.c_str(), &status) != 0) return io::ErrnoStatus("stat", base, errno);
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid())
    return absl::PermissionDeniedError(
        fmt::format("{} is not a directory of yours: name another by --dir", base));
  return absl::OkStatus();
}

absl::StatusOr<std::string> FindBase(const std::string& base) {
  if (!base.empty()) {
    std::error_code error;
    std::filesystem::create_directories(base, error);
    if (error) return io::ErrnoStatus("create directory", base, error.value());
    return base;
  }
  const char* tmpdir = std::getenv("TMPDIR");
  std::string path =
      fmt::format("{}/trireme-{}", tmpdir && *tmpdir ? tmpdir : "/var/tmp", ::geteuid());
  TRIREME_RETURN_IF_ERROR(MakeBase(path));
  return path;
}

}  // namespace

absl::StatusOr<ScratchDirectory> ScratchDirectory::Make(const std::string& base) {
  TRIREME_ASSIGN_OR_RETURN(const std::string parent, FindBase(base));
  RemoveStale(parent);
  for (int i = 0; i < kTriesMax; ++i) {
    const std::string path = fmt::format("{}/{}{}-{}", parent, kPrefix, ::getpid(), i);
    if (::mkdir(path.c_str(), 0700) != 0) {
      if (errno == EEXIST) continue;
      return io::ErrnoStatus("create directory", path, errno);
    }
    if (io::Fd lock = Lock(path, O_RDWR | O_CREAT | O_EXCL))
      return ScratchDirectory(path, std::move(lock));
  }
  return absl::InternalError(fmt::format("cannot make a directory in {}", parent));
}

void ScratchDirectory::Remove() {
  if (path_.empty()) return;
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  path_.clear();
  lock_.Reset();
}

}  // namespace trireme::mapreduce
