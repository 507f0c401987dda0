#include "cli/demo/actor.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>

#include <cerrno>
#include <fstream>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/clock.h"
#include "io/file.h"

namespace trireme::demo {

absl::Status Actor::Start() {
  const io::Fd log(::open(log_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log) return io::ErrnoStatus("open", log_, errno);
  io::SpawnOptions spawn;
  spawn.program = "/proc/self/exe";
  spawn.argv = {"trireme"};
  spawn.argv.insert(spawn.argv.end(), arguments_.begin(), arguments_.end());
  spawn.environment = io::CurrentEnvironment();
  spawn.stdout_fd = spawn.stderr_fd = log.get();
  TRIREME_ASSIGN_OR_RETURN(process_, io::Process::Spawn(spawn));
  return absl::OkStatus();
}

void Actor::Kill() {
  process_.KillAndWait();
}

void Actor::AskToStop() {
  if (running()) process_.Kill(SIGTERM);
}

io::ExitStatus Actor::Wait() {
  const std::int64_t end = io::SteadyMs() + kStopPatienceMs;
  while (io::SteadyMs() < end) {
    if (const auto exit = process_.TryWait()) return *exit;
    ::poll(nullptr, 0, 10);
  }
  process_.Kill(SIGKILL);
  return process_.Wait();
}

absl::Status Actor::EndedBadly(std::string_view who, const io::ExitStatus& exit) const {
  std::ifstream log(log_);
  std::string last;
  for (std::string line; std::getline(log, line);) {
    if (!line.empty()) last = std::move(line);
  }
  return absl::InternalError(
      fmt::format("{} {}: {} (all that it said is in {})", who, exit.Describe(), last, log_));
}

}  // namespace trireme::demo
