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

void RemoveEmpty(const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    if (::rmdir(directory.c_str()) != 0 && errno != ENOENT) return;
  }
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

/// Where process directories are made.
struct Base {
  std::string path;
  std::vector<std::string> removable;  ///< to be removed if empty at the end, the innermost first
};

/// The default's parent is writable by all: what is there must be ours.
absl::Status MakeDefault(const std::string& base) {
  struct stat status;
  if (::mkdir(base.c_str(), 0700) == 0) return absl::OkStatus();
  if (errno != EEXIST) return io::ErrnoStatus("create directory", base, errno);
  if (::lstat(base.c_str(), &status) != 0) return io::ErrnoStatus("stat", base, errno);
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid())
    return absl::PermissionDeniedError(
        fmt::format("{} is not a directory of yours: name another by --dir", base));
  return absl::OkStatus();
}

absl::StatusOr<Base> MakeNamed(const std::string& path) {
  Base base{path, {}};
  std::error_code error;
  std::filesystem::path at(path);
  if (!at.has_filename()) at = at.parent_path();  // "dir/"
  for (; !at.empty() && !std::filesystem::exists(at, error); at = at.parent_path())
    base.removable.push_back(at.string());
  std::filesystem::create_directories(path, error);
  if (!error) return base;
  RemoveEmpty(base.removable);
  return io::ErrnoStatus("create directory", path, error.value());
}

absl::StatusOr<Base> MakeBase(const std::string& named) {
  if (!named.empty()) return MakeNamed(named);
  const char* tmpdir = std::getenv("TMPDIR");
  const std::string path =
      fmt::format("{}/trireme-{}", tmpdir && *tmpdir ? tmpdir : "/var/tmp", ::geteuid());
  TRIREME_RETURN_IF_ERROR(MakeDefault(path));
  return Base{path, {path}};
}

}  // namespace

absl::StatusOr<ScratchDirectory> ScratchDirectory::Make(const std::string& named) {
  TRIREME_ASSIGN_OR_RETURN(Base base, MakeBase(named));
  RemoveStale(base.path);
  for (int i = 0; i < kTriesMax; ++i) {
    const std::string path = fmt::format("{}/{}{}-{}", base.path, kPrefix, ::getpid(), i);
    if (::mkdir(path.c_str(), 0700) != 0) {
      const int error = errno;
      if (error == EEXIST) continue;
      if (error != ENOENT) {
        RemoveEmpty(base.removable);
        return io::ErrnoStatus("create directory", path, error);
      }
      // The last process that used the base has removed it just now.
      TRIREME_ASSIGN_OR_RETURN(base, MakeBase(named));
      continue;
    }
    if (io::Fd lock = Lock(path, O_RDWR | O_CREAT | O_EXCL))
      return ScratchDirectory(path, std::move(base.removable), std::move(lock));
    ::rmdir(path.c_str());
  }
  RemoveEmpty(base.removable);
  return absl::InternalError(fmt::format("cannot make a directory in {}", base.path));
}

void ScratchDirectory::Remove() {
  if (path_.empty()) return;
  std::error_code error;
  std::filesystem::remove_all(path_, error);
  path_.clear();
  RemoveEmpty(removable_);
  lock_.Reset();
}

}  // namespace trireme::mapreduce
