#include "rpc/sockets.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::rpc {
namespace {

constexpr int kListenBacklog = 4096;

SocketAddress UnixAddress(const std::string& path) {
  SocketAddress result;
  auto* to = reinterpret_cast<sockaddr_un*>(&result.storage);
  to->sun_family = AF_UNIX;
  std::memcpy(to->sun_path, path.data(), path.size());
  result.size = sizeof *to;
  return result;
}

addrinfo Hints(int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  return hints;
}

bool IsNumeric(const std::string& host) {
  const addrinfo hints = Hints(AI_NUMERICHOST);
  addrinfo* found = nullptr;
  const bool numeric = ::getaddrinfo(host.c_str(), nullptr, &hints, &found) == 0;
  if (numeric) ::freeaddrinfo(found);
  return numeric;
}

OwnedDescriptor NewSocket(int family) {
  return OwnedDescriptor(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

absl::Status CannotListen(const Address& address, int error) {
  const std::string_view remedy =
      error == EADDRINUSE ? "; choose another or stop who listens there" : "";
  return absl::FailedPreconditionError(
      fmt::format("cannot listen on {}: {}{}", address.ToString(), std::strerror(error), remedy));
}

/// A socket file left behind by a dead process would be in the way for ever. A file of any other
/// kind refuses connections as well, but is somebody's data and stays.
void RemoveStaleSocket(const SocketAddress& address) {
  const char* path = reinterpret_cast<const sockaddr_un*>(&address.storage)->sun_path;
  struct stat status;
  if (::lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const OwnedDescriptor probe(NewSocket(AF_UNIX));
  if (::connect(probe.get(), address.get(), address.size) == 0 || errno != ECONNREFUSED) return;
  ::unlink(path);
}

std::uint16_t BoundPort(int descriptor) {
  SocketAddress bound;
  bound.size = sizeof bound.storage;
  ::getsockname(descriptor, bound.get(), &bound.size);
  const bool ipv6 = bound.family() == AF_INET6;
  return ntohs(ipv6 ? reinterpret_cast<const sockaddr_in6*>(&bound.storage)->sin6_port
                    : reinterpret_cast<const sockaddr_in*>(&bound.storage)->sin_port);
}

}  // namespace

std::string SocketAddress::ToString() const {
  if (family() == AF_UNIX) {
    return std::string("unix:") + reinterpret_cast<const sockaddr_un*>(&storage)->sun_path;
  }
  char host[NI_MAXHOST] = "?";
  char port[NI_MAXSERV] = "?";
  ::getnameinfo(get(), size, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  return family() == AF_INET6 ? fmt::format("[{}]:{}", host, port)
                              : fmt::format("{}:{}", host, port);
}

bool ResolvesAtOnce(const Address& address) {
  return address.kind == Address::Kind::kUnix || IsNumeric(address.host);
}

absl::StatusOr<std::vector<SocketAddress>> Resolve(const Address& address) {
  if (address.kind == Address::Kind::kUnix) return std::vector{UnixAddress(address.path)};
  const addrinfo hints = Hints(AI_NUMERICSERV);
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(
        fmt::format("cannot resolve host '{}': {}", address.host, ::gai_strerror(error)));
  }
  std::vector<SocketAddress> result;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    SocketAddress& to = result.emplace_back();
    std::memcpy(&to.storage, one->ai_addr, one->ai_addrlen);
    to.size = one->ai_addrlen;
  }
  ::freeaddrinfo(found);
  return result;
}

absl::StatusOr<std::pair<OwnedDescriptor, Address>> ListenOn(const Address& address) {
  TRIREME_ASSIGN_OR_RETURN(const auto candidates, Resolve(address));
  const SocketAddress& to = candidates.front();
  if (to.family() == AF_UNIX) RemoveStaleSocket(to);
  OwnedDescriptor descriptor = NewSocket(to.family());
  const int one = 1;
  if (to.family() != AF_UNIX) {
    ::setsockopt(descriptor.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  }
  if (::bind(descriptor.get(), to.get(), to.size) != 0 ||
      ::listen(descriptor.get(), kListenBacklog) != 0) {
    return CannotListen(address, errno);
  }
  Address bound = address;
  if (to.family() != AF_UNIX) bound.port = BoundPort(descriptor.get());
  return std::pair(std::move(descriptor), std::move(bound));
}

absl::StatusOr<OwnedDescriptor> BeginConnect(const SocketAddress& to) {
  OwnedDescriptor descriptor = NewSocket(to.family());
  if (descriptor.get() >= 0) {
    SetNoDelay(descriptor.get());
    if (::connect(descriptor.get(), to.get(), to.size) == 0 || errno == EINPROGRESS) {
      return descriptor;
    }
  }
  return absl::UnavailableError(
      fmt::format("cannot connect to {}: {}", to.ToString(), std::strerror(errno)));
}

void SetNoDelay(int descriptor) {
  const int one = 1;
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

}  // namespace trireme::rpc
