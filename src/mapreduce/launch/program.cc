#include "mapreduce/launch/program.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/clock.h"

namespace trireme::mapreduce::launch {
namespace {

/// Reads what is there. False at the end of the stream.
bool ReadSome(int fd, std::string* to) {
  std::array<char, 65536> buffer;
  const ssize_t n = ::read(fd, buffer.data(), buffer.size());
  if (n > 0) to->append(buffer.data(), static_cast<std::size_t>(n));
  return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/// Reads both streams to their ends, within the limits.
absl::Status ReadAll(const std::string& name, io::Fd out, io::Fd err, std::int64_t deadline_ms,
                     ProgramOutput* to) {
  std::array<std::pair<io::Fd*, std::string*>, 2> streams = {{{&out, &to->out}, {&err, &to->err}}};
  while (out || err) {
    const std::int64_t left = deadline_ms - io::SteadyMs();
    if (left <= 0) return absl::DeadlineExceededError(fmt::format("{} takes too long", name));
    std::array<pollfd, 2> polled = {{{out.get(), POLLIN, 0}, {err.get(), POLLIN, 0}}};
    (void)::poll(polled.data(), polled.size(), static_cast<int>(left));
    for (std::size_t i = 0; i < streams.size(); ++i) {
      auto& [fd, text] = streams[i];
      if (*fd && polled[i].revents != 0 && !ReadSome(fd->get(), text)) fd->Reset();
    }
    if (to->out.size() + to->err.size() > kProgramOutputBytesMax)
      return absl::ResourceExhaustedError(
          fmt::format("{} prints more than {} bytes", name, kProgramOutputBytesMax));
  }
  return absl::OkStatus();
}

bool IsPlain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-_./:=,@+%").find(c) != std::string_view::npos;
}

std::string Quoted(const std::string& argument) {
  bool plain = !argument.empty();
  std::string quoted = "'";
  for (const char c : argument) {
    plain = plain && IsPlain(c);
    c == '\'' ? quoted += "'\\''" : quoted += c;
  }
  return plain ? argument : quoted + "'";
}

}  // namespace

absl::StatusOr<std::string> FindProgram(std::string_view name) {
  if (name.find('/') != std::string_view::npos) return std::string(name);
  const char* path = std::getenv("PATH");
  std::string_view left = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
  while (!left.empty()) {
    const std::string_view directory = left.substr(0, left.find(':'));
    left.remove_prefix(std::min(left.size(), directory.size() + 1));
    std::string candidate = fmt::format("{}/{}", directory.empty() ? "." : directory, name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return absl::NotFoundError(fmt::format("there is no program {} in $PATH", name));
}

absl::StatusOr<ProgramOutput> RunProgram(const std::vector<std::string>& argv,
                                         std::int64_t patience_ms) {
  const std::int64_t deadline_ms = io::SteadyMs() + patience_ms;
  io::SpawnOptions spawn;
  TRIREME_ASSIGN_OR_RETURN(spawn.program, FindProgram(argv[0]));
  TRIREME_ASSIGN_OR_RETURN(io::Pipe in, io::MakePipe());
  TRIREME_ASSIGN_OR_RETURN(io::Pipe out, io::MakePipe());
  TRIREME_ASSIGN_OR_RETURN(io::Pipe err, io::MakePipe());
  spawn.argv = argv;
  spawn.environment = io::CurrentEnvironment();
  spawn.stdin_fd = in.read.get();
  spawn.stdout_fd = out.write.get();
  spawn.stderr_fd = err.write.get();
  TRIREME_ASSIGN_OR_RETURN(io::Process process, io::Process::Spawn(spawn));
  in = {};
  out.write.Reset();
  err.write.Reset();
  ProgramOutput output;
  TRIREME_RETURN_IF_ERROR(
      ReadAll(argv[0], std::move(out.read), std::move(err.read), deadline_ms, &output));
  output.status = process.Wait();
  return output;
}

std::string ShellLine(const std::vector<std::string>& arguments) {
  std::string line;
  for (const std::string& argument : arguments) {
    line += (line.empty() ? "" : " ") + Quoted(argument);
  }
  return line;
}

std::string LastLine(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t end = text.find_last_not_of(kBlank);
  if (end == std::string_view::npos) return "";
  text = text.substr(0, end + 1);
  const std::size_t newline = text.find_last_of("\r\n");
  std::string line(newline == std::string_view::npos ? text : text.substr(newline + 1));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  }
  return line;
}

}  // namespace trireme::mapreduce::launch
