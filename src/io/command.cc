#include "io/command.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/clock.h"
#include "io/file.h"

namespace trireme::io {
absl::StatusOr<std::unique_ptr<Command>> Command::Start(Options options, Listener* listener) {
  TRIREME_ASSIGN_OR_RETURN(Pipe input, MakePipe(kCommandPipeBytes));
  TRIREME_ASSIGN_OR_RETURN(Pipe output, MakePipe(kCommandPipeBytes));
  TRIREME_ASSIGN_OR_RETURN(Pipe errors, MakePipe());
  for (int fd : {input.write.get(), output.read.get(), errors.read.get()})
    TRIREME_RETURN_IF_ERROR(SetNonblocking(fd));
  SpawnOptions spawn;
  spawn.program = "/bin/sh";
  spawn.argv = {"sh", "-c", options.command};
  spawn.environment = options.environment;
  spawn.directory = options.directory;
  spawn.stdin_fd = input.read.get();
  spawn.stdout_fd = output.write.get();
  spawn.stderr_fd = errors.write.get();
  std::unique_ptr<Command> command(new Command(std::move(options), listener));
  TRIREME_ASSIGN_OR_RETURN(command->process_, Process::Spawn(spawn));
  command->stdin_ = std::move(input.write);
  command->stdout_ = std::move(output.read);
  command->stderr_ = std::move(errors.read);
  return command;
}

absl::Status Command::Write(std::string_view bytes) {
  while (!bytes.empty() && stdin_) {
    const ssize_t n = ::write(stdin_.get(), bytes.data(), bytes.size());
    if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
    if (n >= 0 || errno == EINTR) continue;
    if (errno == EPIPE) {
      stdin_.Reset();
    } else if (errno == EAGAIN) {
      TRIREME_RETURN_IF_ERROR(Poll(true));
    } else {
      return ErrnoStatus("write to", "a command", errno);
    }
  }
  return LookAfter();
}

absl::Status Command::Finish() {
  stdin_.Reset();
  while (stdout_) TRIREME_RETURN_IF_ERROR(Poll(false));
  std::optional<ExitStatus> exit;
  while (!(exit = process_.TryWait())) {
    pollfd wait{stderr_.get(), POLLIN, 0};
    ::poll(&wait, stderr_ ? 1 : 0, 1);
    ReadErrors();
    TRIREME_RETURN_IF_ERROR(LookAfter());
  }
  ReadErrors();
  if (exit->ok()) return absl::OkStatus();
  return absl::AbortedError(fmt::format("the command `{}` {}", options_.command, exit->Describe()));
}

absl::Status Command::Poll(bool want_write) {
  pollfd fds[3] = {{stdout_.get(), POLLIN, 0},
                   {stderr_.get(), POLLIN, 0},
                   {want_write ? stdin_.get() : -1, POLLOUT, 0}};
  ::poll(fds, 3, kCommandPollMs);
  if (fds[1].revents != 0) ReadErrors();
  if (fds[0].revents != 0) TRIREME_RETURN_IF_ERROR(ReadOutput());
  return LookAfter();
}

absl::Status Command::LookAfter() {
  if (options_.cancelled != nullptr && options_.cancelled->load(std::memory_order_relaxed)) {
    process_.KillAndWait();
    return absl::CancelledError("the attempt was cancelled");
  }
  if (options_.memory_bytes == 0) return absl::OkStatus();
  const std::int64_t now = SteadyMs();
  if (now < looked_ms_ + kCommandPollMs) return absl::OkStatus();
  looked_ms_ = now;
  const std::uint64_t used = process_.running() ? PrivateMemoryOfTree(process_.pid()) : 0;
  if (used <= options_.memory_bytes) return absl::OkStatus();
  process_.KillAndWait();
  return absl::AbortedError(fmt::format(
      "the command `{}` used {} MiB of memory, a slot may use {} MiB: give the job more --memory "
      "or fewer --slots",
      options_.command, used >> 20, options_.memory_bytes >> 20));
}

absl::Status Command::ReadOutput() {
  if (output_end_ == output_.size()) output_.resize(2 * output_.size());
  const ssize_t n =
      ::read(stdout_.get(), output_.data() + output_end_, output_.size() - output_end_);
  if (n < 0) {
    const bool later = errno == EAGAIN || errno == EINTR;
    return later ? absl::OkStatus() : ErrnoStatus("read from", "a command", errno);
  }
  if (n == 0) {
    stdout_.Reset();
    return listener_.OnOutputEnd({output_.data(), output_end_});
  }
  output_end_ += static_cast<std::size_t>(n);
  TRIREME_ASSIGN_OR_RETURN(const std::size_t used,
                           listener_.OnOutput({output_.data(), output_end_}));
  output_end_ -= used;
  std::memmove(output_.data(), output_.data() + used, output_end_);
  return absl::OkStatus();
}

void Command::ReadErrors() {
  char buffer[16 << 10];
  while (stderr_) {
    const ssize_t n = ::read(stderr_.get(), buffer, sizeof buffer);
    if (n > 0) {
      listener_.OnError({buffer, static_cast<std::size_t>(n)});
      continue;
    }
    if (n == 0) stderr_.Reset();
    return;
  }
}

}  // namespace trireme::io
