#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

/// Child processes.
namespace trireme::io {

/// A file descriptor that is closed with its owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      Reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~Fd() { Reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  void Reset();

 private:
  int fd_ = -1;
};

struct Pipe {
  Fd read, write;
};
/// A pipe that no child inherits by accident. `size_bytes` asks for a larger buffer than the
/// system's default; less is given when the user's limit for pipes is used up.
[[nodiscard]] absl::StatusOr<Pipe> MakePipe(std::size_t size_bytes = 0);
/// The two ends of a stream between this process and a child.
[[nodiscard]] absl::StatusOr<std::pair<Fd, Fd>> MakeSocketPair();
[[nodiscard]] absl::Status SetNonblocking(int fd);

/// How a process ended.
struct ExitStatus {
  int code = 0;    ///< when signal is 0
  int signal = 0;  ///< that killed it
  bool ok() const { return code == 0 && signal == 0; }
  /// "exited with status 3", "was killed by signal 11 (Segmentation fault)".
  std::string Describe() const;
};

/// What the child gets. It inherits nothing else but standard streams that are not named.
struct SpawnOptions {
  std::string program;                   ///< a path, not searched for
  std::vector<std::string> argv;         ///< with argv[0]
  std::vector<std::string> environment;  ///< "NAME=value"; all of it
  std::string directory;                 ///< where it starts; empty: where this process is
  int stdin_fd = -1;
  int stdout_fd = -1;
  int stderr_fd = -1;
  /// Become descriptors kFirstInheritedFd, +1, ... of the child.
  std::vector<int> inherited;
};
inline constexpr int kFirstInheritedFd = 3;

/// A child that leads a process group of its own and is killed when the thread that made it dies.
/// Its owner must wait for it; a Process destroyed before that kills its group and waits.
class Process {
 public:
  Process() = default;
  [[nodiscard]] static absl::StatusOr<Process> Spawn(const SpawnOptions& options);
  Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Process& operator=(Process&& other) noexcept;
  ~Process() { KillAndWait(); }

  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  /// Sends the signal to the whole group.
  void Kill(int signal);
  /// Kills what the child left in its group.
  ExitStatus Wait();
  /// Nothing while it runs.
  std::optional<ExitStatus> TryWait();
  void KillAndWait();

 private:
  explicit Process(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
};

/// Bytes of memory that belong to the process and its descendants alone (not backed by files).
/// A process that vanishes meanwhile counts as nothing.
std::uint64_t PrivateMemoryOfTree(pid_t pid);

/// Lets this process open as many files as it may: merges, connections and fetches take many.
void RaiseFileLimit();

/// How many files this process may have open.
std::size_t FileLimit();

/// Opens /dev/null on those of descriptors 0 to 2 that are closed, first thing in main: else the
/// next file opened would be standard output, and what is printed would land in it.
void OpenStandardStreams();

/// This process's environment as SpawnOptions takes it.
std::vector<std::string> CurrentEnvironment();

}  // namespace trireme::io
