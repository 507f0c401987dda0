#include "io/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>

#include "fmt/format.h"
#include "io/file.h"

extern char** environ;

namespace trireme::io {

void Fd::Reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

absl::StatusOr<Pipe> MakePipe(std::size_t size_bytes) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus("make", "a pipe", errno);
  if (size_bytes != 0) (void)::fcntl(fds[1], F_SETPIPE_SZ, static_cast<int>(size_bytes));
  return Pipe{Fd(fds[0]), Fd(fds[1])};
}

absl::StatusOr<std::pair<Fd, Fd>> MakeSocketPair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    return ErrnoStatus("make", "a socket pair", errno);
  return std::pair<Fd, Fd>(Fd(fds[0]), Fd(fds[1]));
}

absl::Status SetNonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
    return ErrnoStatus("set nonblocking", fmt::format("descriptor {}", fd), errno);
  return absl::OkStatus();
}

std::string ExitStatus::Describe() const {
  if (signal != 0) return fmt::format("was killed by signal {} ({})", signal, strsignal(signal));
  return fmt::format("exited with status {}", code);
}

namespace {

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& s : strings) pointers.push_back(const_cast<char*>(s.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// What the child does between vfork and exec: only system calls, on memory that is the parent's.
/// Moved descriptors go above all targets first, so that no dup2 overwrites one still to be moved.
struct ChildPlan {
  const char* program;
  char* const* argv;
  char* const* environment;
  const char* directory;                   // null: stay
  std::vector<std::pair<int, int>> moves;  // from, to
  std::vector<int> high;                   // room for the copies above
  int first_free;                          // above all targets
  pid_t parent;
  sigset_t mask;
};

/// What of a start went wrong, and how; error 0: nothing.
struct StartFailure {
  int error = 0;
  bool in_directory = false;
};

[[noreturn]] void RunChild(ChildPlan& plan, volatile StartFailure* failure) {
  struct sigaction action;
  std::memset(&action, 0, sizeof action);
  action.sa_handler = SIG_DFL;
  for (int signal : {SIGINT, SIGTERM, SIGPIPE, SIGHUP, SIGQUIT, SIGCHLD, SIGUSR1, SIGUSR2, SIGXFSZ})
    ::sigaction(signal, &action, nullptr);
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != plan.parent) ::_exit(127);
  for (std::size_t i = 0; i < plan.moves.size(); ++i)
    plan.high[i] = ::fcntl(plan.moves[i].first, F_DUPFD_CLOEXEC, plan.first_free);
  for (std::size_t i = 0; i < plan.moves.size(); ++i) {
    if (plan.high[i] < 0 || ::dup2(plan.high[i], plan.moves[i].second) < 0) {
      failure->error = errno;
      ::_exit(127);
    }
  }
  if (plan.directory != nullptr && ::chdir(plan.directory) != 0) {
    failure->error = errno;
    failure->in_directory = true;
    ::_exit(127);
  }
  ::sigprocmask(SIG_SETMASK, &plan.mask, nullptr);
  ::execve(plan.program, plan.argv, plan.environment);
  failure->error = errno;
  ::_exit(127);
}

ChildPlan PlanChild(const SpawnOptions& options, char* const* argv, char* const* environment) {
  const char* directory = options.directory.empty() ? nullptr : options.directory.c_str();
  ChildPlan plan{options.program.c_str(), argv, environment, directory, {}, {}, 0, ::getpid(), {}};
  if (options.stdin_fd >= 0) plan.moves.emplace_back(options.stdin_fd, 0);
  if (options.stdout_fd >= 0) plan.moves.emplace_back(options.stdout_fd, 1);
  if (options.stderr_fd >= 0) plan.moves.emplace_back(options.stderr_fd, 2);
  for (std::size_t i = 0; i < options.inherited.size(); ++i)
    plan.moves.emplace_back(options.inherited[i], kFirstInheritedFd + static_cast<int>(i));
  plan.high.resize(plan.moves.size(), -1);
  plan.first_free = kFirstInheritedFd + static_cast<int>(options.inherited.size());
  sigemptyset(&plan.mask);
  return plan;
}

}  // namespace

absl::StatusOr<Process> Process::Spawn(const SpawnOptions& options) {
  const std::vector<char*> argv = Pointers(options.argv);
  const std::vector<char*> environment = Pointers(options.environment);
  ChildPlan plan = PlanChild(options, argv.data(), environment.data());
  volatile StartFailure failure;
  // All signals wait until the child has its own handlers: it shares this memory until it execs.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  // vfork: fork would copy the page tables of a process that may hold gigabytes.
  const pid_t pid = ::vfork();
  if (pid == 0) RunChild(plan, &failure);
  const int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return ErrnoStatus("start", options.program, fork_error);
  // The child does so itself; where vfork is but a fork (ThreadSanitizer's), it may not have yet,
  // and a group that is not there cannot be killed.
  ::setpgid(pid, pid);
  if (failure.error != 0) {
    ::waitpid(pid, nullptr, 0);
    return failure.in_directory ? ErrnoStatus("enter", options.directory, failure.error)
                                : ErrnoStatus("start", options.program, failure.error);
  }
  return Process(pid);
}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    KillAndWait();
    pid_ = std::exchange(other.pid_, -1);
  }
  return *this;
}

void Process::Kill(int signal) {
  if (pid_ > 0) ::kill(-pid_, signal);
}

namespace {

ExitStatus Decode(int status) {
  ExitStatus exit;
  if (WIFSIGNALED(status)) exit.signal = WTERMSIG(status);
  if (WIFEXITED(status)) exit.code = WEXITSTATUS(status);
  return exit;
}

}  // namespace

ExitStatus Process::Wait() {
  siginfo_t info;
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 &&
         errno == EINTR) {
  }
  Kill(SIGKILL);  // what it left in its group; the group's number is ours until we reap
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  return Decode(status);
}

std::optional<ExitStatus> Process::TryWait() {
  siginfo_t info;
  info.si_pid = 0;
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid == 0)
    return std::nullopt;
  return Wait();
}

void Process::KillAndWait() {
  if (pid_ <= 0) return;
  Kill(SIGKILL);
  Wait();
}

namespace {

std::string ReadProcFile(pid_t pid, const char* name) {
  char path[64], buffer[4096];
  std::snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  Fd fd(::open(path, O_RDONLY | O_CLOEXEC));
  if (!fd) return {};
  const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
  return n > 0 ? std::string(buffer, static_cast<std::size_t>(n)) : std::string();
}

constexpr int kTreeDepthMax = 16;

std::uint64_t PrivateMemory(pid_t pid, int depth) {
  unsigned long size = 0, resident = 0, shared = 0;
  const std::string statm = ReadProcFile(pid, "statm");
  if (std::sscanf(statm.c_str(), "%lu %lu %lu", &size, &resident, &shared) != 3) return 0;
  std::uint64_t sum =
      (resident - std::min(resident, shared)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (depth == kTreeDepthMax) return sum;
  char name[64];
  std::snprintf(name, sizeof name, "task/%d/children", pid);
  const std::string children = ReadProcFile(pid, name);
  const char* at = children.c_str();
  int child = 0, used = 0;
  while (std::sscanf(at, "%d%n", &child, &used) == 1) {
    sum += PrivateMemory(child, depth + 1);
    at += used;
  }
  return sum;
}

}  // namespace

std::uint64_t PrivateMemoryOfTree(pid_t pid) {
  return PrivateMemory(pid, 0);
}

std::vector<std::string> CurrentEnvironment() {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) result.emplace_back(*entry);
  return result;
}

void OpenStandardStreams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    const int opened = ::open("/dev/null", O_RDWR);
    if (opened != fd) ::_exit(127);  // neither a file system nor a place to say so
  }
}

std::size_t FileLimit() {
  struct rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
    return std::numeric_limits<std::size_t>::max();
  return static_cast<std::size_t>(limit.rlim_cur);
}

void RaiseFileLimit() {
  struct rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace trireme::io
