#include "io/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "fmt/format.h"
#include "io/process.h"

namespace trireme::io {
namespace {

/// The variable's value, which is then there no more.
std::string TakeVariable(const char* name) {
  const char* value = std::getenv(name);
  std::string taken = value == nullptr ? "" : value;
  ::unsetenv(name);
  return taken;
}

std::int64_t NumberIn(const std::string& text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && at == end ? std::max<std::int64_t>(number, 0) : 0;
}

bool IsSocketName(const std::string& name) {
  return name.size() > 1 && name.size() < sizeof(sockaddr_un::sun_path) &&
         (name[0] == '/' || name[0] == '@');
}

}  // namespace

ServiceManager ServiceManager::FromEnvironment() {
  ServiceManager manager;
  const std::string socket = TakeVariable("NOTIFY_SOCKET");
  const std::int64_t watchdog_us = NumberIn(TakeVariable("WATCHDOG_USEC"));
  const std::string pid = TakeVariable("WATCHDOG_PID");
  if (IsSocketName(socket)) manager.socket_ = socket;
  if (pid.empty() || NumberIn(pid) == ::getpid())
    manager.watchdog_ = std::chrono::microseconds(watchdog_us);
  return manager;
}

void ServiceManager::Ready(std::string_view status) {
  Tell(fmt::format("READY=1\nSTATUS={}", status));
}

void ServiceManager::Stopping() {
  Tell("STOPPING=1\nSTATUS=stopping");
}

void ServiceManager::Alive() {
  const auto now = std::chrono::steady_clock::now();
  if (watchdog_.count() == 0 || now < next_alive_) return;
  next_alive_ = now + watchdog_ / 2;
  Tell("WATCHDOG=1");
}

/// What cannot be said is not said again: systemd then acts as it is configured.
void ServiceManager::Tell(std::string_view words) {
  if (socket_.empty()) return;
  const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  std::copy(socket_.begin(), socket_.end(), to.sun_path);
  if (to.sun_path[0] == '@') to.sun_path[0] = '\0';
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size());
  (void)::sendto(fd.get(), words.data(), words.size(), MSG_NOSIGNAL,
                 reinterpret_cast<const sockaddr*>(&to), size);
}

}  // namespace trireme::io
