#include "cli/kv/waiting.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>

namespace trireme::kvcli {

Waiting::Waiting() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_ = io::Fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  wakes_ = io::Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

void Waiting::Wake() {
  const std::uint64_t one = 1;
  (void)!::write(wakes_.get(), &one, sizeof one);
}

std::optional<int> Waiting::Signal() {
  signalfd_siginfo info;
  if (::read(signals_.get(), &info, sizeof info) != sizeof info) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

Waiting::Event Waiting::Wait(int fd) {
  pollfd fds[] = {{signals_.get(), POLLIN, 0}, {wakes_.get(), POLLIN, 0}, {fd, POLLIN, 0}};
  while (::poll(fds, 3, -1) < 0) {
  }
  Event event;
  event.signal = Signal().value_or(0);
  std::uint64_t count = 0;
  event.woken = ::read(wakes_.get(), &count, sizeof count) == sizeof count;
  event.fd = fds[2].revents != 0;
  return event;
}

}  // namespace trireme::kvcli
