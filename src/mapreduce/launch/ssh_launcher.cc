#include "mapreduce/launch/ssh_launcher.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/clock.h"
#include "io/file.h"
#include "mapreduce/launch/program.h"

namespace trireme::mapreduce::launch {
namespace {

/// What `trireme mr worker` prints once it serves.
constexpr std::string_view kBegun = "serving map outputs on ";

/// The worker's command as the host's shell reads it.
std::string RemoteLine(const WorkerCommand& command, std::uint32_t slots) {
  std::vector<std::string> all = command.program;
  all.insert(all.end(), command.arguments.begin(), command.arguments.end());
  if (slots != 0) all.insert(all.end(), {"--slots", fmt::format("{}", slots)});
  if (command.memory_bytes != 0)
    all.insert(all.end(), {"--memory", fmt::format("{}", command.memory_bytes)});
  all.push_back("--stop-on-eof");
  return "exec " + ShellLine(all);
}

}  // namespace

absl::Status SshLauncher::Start() {
  TRIREME_ASSIGN_OR_RETURN(ssh_, FindProgram("ssh"));
  log_.reset(std::fopen(options_.log_path.c_str(), "ae"));
  if (log_ == nullptr) return io::ErrnoStatus("open", options_.log_path, errno);
  for (const Host& host : options_.hosts) sessions_.emplace_back().host = host;
  for (Session& session : sessions_) {
    const absl::Status connected = Connect(session);
    if (connected.ok()) continue;
    Stop();
    return connected;
  }
  return absl::OkStatus();
}

absl::Status SshLauncher::Connect(Session& session) {
  TRIREME_ASSIGN_OR_RETURN(io::Pipe in, io::MakePipe());
  TRIREME_ASSIGN_OR_RETURN(io::Pipe out, io::MakePipe());
  TRIREME_RETURN_IF_ERROR(io::SetNonblocking(out.read.get()));
  io::SpawnOptions spawn;
  spawn.program = ssh_;
  spawn.argv = {"ssh", "-T", "-oBatchMode=yes",
                fmt::format("-oConnectTimeout={}", kSshConnectSeconds),
                fmt::format("-oServerAliveInterval={}", kSshAliveSeconds)};
  spawn.argv.insert(spawn.argv.end(), options_.arguments.begin(), options_.arguments.end());
  const std::uint32_t slots = session.host.slots != 0 ? session.host.slots : options_.command.slots;
  spawn.argv.insert(spawn.argv.end(), {session.host.name, RemoteLine(options_.command, slots)});
  spawn.environment = io::CurrentEnvironment();
  spawn.stdin_fd = in.read.get();
  spawn.stdout_fd = spawn.stderr_fd = out.write.get();
  TRIREME_ASSIGN_OR_RETURN(session.process, io::Process::Spawn(spawn));
  session.input = std::move(in.write);
  session.output = std::move(out.read);
  session.begun = false;
  session.restart_ms = 0;
  return absl::OkStatus();
}

absl::Status SshLauncher::Check() {
  const std::int64_t now_ms = io::SteadyMs();
  bool hope = false;
  for (Session& session : sessions_) {
    Look(session, now_ms);
    hope = hope || session.process.running() || session.restart_ms != 0;
  }
  if (hope) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("no worker is left on any of the {} hosts; first {}",
                                            sessions_.size(), first_failure_));
}

void SshLauncher::Look(Session& session, std::int64_t now_ms) {
  ReadOutput(session);
  if (session.process.running()) {
    if (const auto status = session.process.TryWait()) OnEnd(session, *status, now_ms);
  } else if (session.restart_ms != 0 && now_ms >= session.restart_ms && !stopping_) {
    session.restart_ms = 0;
    if (const absl::Status again = Connect(session); !again.ok())
      options_.notice(fmt::format("{}: {}", session.host.name, std::string(again.message())));
  }
}

void SshLauncher::OnEnd(Session& session, const io::ExitStatus& status, std::int64_t now_ms) {
  ReadOutput(session);
  TakeLines(session, /*all=*/true);
  session.input.Reset();
  session.output.Reset();
  if (stopping_) return;
  const std::string why =
      fmt::format("{}: {}", session.host.name,
                  session.last_line.empty() ? "ssh " + status.Describe() : session.last_line);
  if (first_failure_.empty()) first_failure_ = why;
  const bool again = session.begun && session.restarts < kSshRestartsMax;
  if (again) {
    ++session.restarts;
    session.restart_ms = now_ms + kSshRestartDelayMs;
  }
  options_.notice(fmt::format(
      "{} ({})", why, again ? "its worker is started again" : "the job goes on without this host"));
}

void SshLauncher::ReadOutput(Session& session) {
  std::array<char, 16384> buffer;
  while (session.output) {
    const ssize_t n = ::read(session.output.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    session.line.append(buffer.data(), static_cast<std::size_t>(n));
    TakeLines(session, /*all=*/false);
  }
  if (log_ != nullptr) std::fflush(log_.get());
}

void SshLauncher::TakeLines(Session& session, bool all) {
  std::string_view rest = session.line;
  for (;;) {
    const std::size_t newline = rest.find('\n');
    const bool whole = newline != std::string_view::npos;
    if (!whole && rest.size() < kSshLineBytesMax && !(all && !rest.empty())) break;
    const std::string_view line = rest.substr(0, whole ? newline : kSshLineBytesMax);
    rest.remove_prefix(line.size() + (whole ? 1 : 0));
    WriteLine(session, line);
  }
  session.line = std::string(rest);
}

void SshLauncher::WriteLine(Session& session, std::string_view line) {
  session.begun = session.begun || line.starts_with(kBegun);
  if (std::string said = LastLine(line); !said.empty()) session.last_line = std::move(said);
  const std::string text = fmt::format("{}: {}\n", session.host.name, line);
  (void)!std::fwrite(text.data(), 1, text.size(), log_.get());
}

bool SshLauncher::AnyRunning() {
  const std::int64_t now_ms = io::SteadyMs();
  for (Session& session : sessions_) Look(session, now_ms);
  return std::any_of(sessions_.begin(), sessions_.end(),
                     [](const Session& session) { return session.process.running(); });
}

void SshLauncher::Stop() {
  stopping_ = true;
  for (Session& session : sessions_) session.input.Reset();
  const std::int64_t deadline_ms = io::SteadyMs() + kSshStopPatienceMs;
  while (AnyRunning() && io::SteadyMs() < deadline_ms)
    std::this_thread::sleep_for(std::chrono::milliseconds(kLaunchCheckMs / 10));
  for (Session& session : sessions_) {
    if (!session.process.running()) continue;
    options_.notice(fmt::format("{}: its worker did not end within {} s; its session is cut",
                                session.host.name, kSshStopPatienceMs / 1000));
    session.process.KillAndWait();
  }
  sessions_.clear();
}

}  // namespace trireme::mapreduce::launch
