#include "kv/lossy_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/check.h"
#include "fmt/format.h"

namespace trireme::kv::test {
namespace {

constexpr std::uint64_t kLostPercent = 10, kDelayMsMax = 3;

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

io::Fd NewSocket() {
  io::Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  TRIREME_CHECK(fd.get() >= 0);
  return fd;
}

void SetNoDelay(int fd) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

bool SendAll(int to, const char* bytes, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(to, bytes, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

}  // namespace

LossyProxy::LossyProxy(std::uint16_t target, std::uint64_t seed)
    : target_(target), listener_(NewSocket()), random_(seed) {
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  TRIREME_CHECK(::bind(listener_.get(), generic, size) == 0);
  TRIREME_CHECK(::listen(listener_.get(), 64) == 0);
  TRIREME_CHECK(::getsockname(listener_.get(), generic, &size) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Accept(); });
}

LossyProxy::~LossyProxy() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    for (const Connection& one : connections_) ::shutdown(one.client.get(), SHUT_RDWR);
  }
  ::shutdown(listener_.get(), SHUT_RDWR);
  thread_.join();
  for (Connection& one : connections_) one.thread.join();
}

std::string LossyProxy::endpoint() const {
  return fmt::format("http://127.0.0.1:{}", port_);
}

void LossyProxy::Accept() {
  while (true) {
    io::Fd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client.get() < 0) return;
    SetNoDelay(client.get());
    const std::lock_guard lock(mutex_);
    if (over_) return;
    const int fd = client.get();
    connections_.push_back({std::move(client), std::thread([this, fd] { Carry(fd); })});
  }
}

void LossyProxy::Carry(int client) {
  const io::Fd server = NewSocket();
  const sockaddr_in address = Loopback(target_);
  pollfd ends[] = {{client, POLLIN, 0}, {server.get(), POLLIN, 0}};
  if (::connect(server.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    SetNoDelay(server.get());
    bool carrying = true;
    while (carrying && ::poll(ends, 2, -1) > 0) {
      if (ends[0].revents != 0) carrying = Pass(client, server.get());
      if (carrying && ends[1].revents != 0) carrying = Pass(server.get(), client);
    }
  }
  ::shutdown(client, SHUT_RDWR);  // its descriptor goes with the proxy
}

bool LossyProxy::Pass(int from, int to) {
  char bytes[64 * 1024];
  const ssize_t size = ::recv(from, bytes, sizeof bytes, 0);
  if (size <= 0) return false;
  bool lost = false;
  int delay_ms = 0;
  {
    const std::lock_guard lock(mutex_);
    lost = random_.Below(100) < kLostPercent;
    delay_ms = static_cast<int>(random_.Below(kDelayMsMax + 1));
  }
  if (lost) return false;
  ::poll(nullptr, 0, delay_ms);  // The network's, not a wait for anything.
  return SendAll(to, bytes, static_cast<std::size_t>(size));
}

}  // namespace trireme::kv::test
