#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "io/process.h"

namespace trireme::mapreduce {

/// A directory for the temporary files of this process alone. Removed with its owner, and so are
/// the directories above it that were made for it; one whose process died is removed when another
/// is made beside it.
class ScratchDirectory {
 public:
  /// Makes one in `base`, or in trireme-UID under $TMPDIR or /var/tmp when that is empty.
  [[nodiscard]] static absl::StatusOr<ScratchDirectory> Make(const std::string& base);
  ScratchDirectory(ScratchDirectory&& other) noexcept
      : path_(std::exchange(other.path_, {})),
        removable_(std::move(other.removable_)),
        lock_(std::move(other.lock_)) {}
  ScratchDirectory& operator=(ScratchDirectory&&) = delete;
  ~ScratchDirectory() { Remove(); }

  const std::string& path() const { return path_; }
  void Remove();

 private:
  ScratchDirectory(std::string path, std::vector<std::string> removable, io::Fd lock)
      : path_(std::move(path)), removable_(std::move(removable)), lock_(std::move(lock)) {}

  std::string path_;
  std::vector<std::string> removable_;
  io::Fd lock_;  // held for as long as the process lives: how others know
};

}  // namespace trireme::mapreduce
