#include "rpc/local_host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "fmt/format.h"

namespace trireme::rpc {
namespace {

using Infos = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

Infos Resolve(const std::string& host, const char* port, int* error) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  *error = ::getaddrinfo(host.c_str(), port, &hints, &found);
  return {*error == 0 ? found : nullptr, &::freeaddrinfo};
}

std::string Numeric(const sockaddr* address) {
  std::array<char, INET6_ADDRSTRLEN> text = {};
  const void* bytes =
      address->sa_family == AF_INET6
          ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr)
          : static_cast<const void*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr);
  return ::inet_ntop(address->sa_family, bytes, text.data(), text.size()) != nullptr ? text.data()
                                                                                     : "";
}

/// Whether other machines can be told this address: not loopback, and not one of a link alone.
bool IsShared(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    const auto host = ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr);
    return (host >> 24) != 127 && host != 0 && (host >> 16) != 0xa9fe;
  }
  if (address->sa_family != AF_INET6) return false;
  const in6_addr& host = reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  return !IN6_IS_ADDR_LOOPBACK(&host) && !IN6_IS_ADDR_LINKLOCAL(&host) &&
         !IN6_IS_ADDR_UNSPECIFIED(&host);
}

std::string OfName() {
  std::array<char, 256> name = {};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "";
  int error = 0;
  const Infos infos = Resolve(name.data(), nullptr, &error);
  for (const addrinfo* info = infos.get(); info != nullptr; info = info->ai_next) {
    if (IsShared(info->ai_addr)) return Numeric(info->ai_addr);
  }
  return "";
}

std::string OfInterfaces() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return "";
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  for (const int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
      const bool up = one->ifa_addr != nullptr && (one->ifa_flags & IFF_UP) != 0;
      if (up && one->ifa_addr->sa_family == family && IsShared(one->ifa_addr))
        return Numeric(one->ifa_addr);
    }
  }
  return "";
}

/// The local end of a datagram socket connected to `info`; empty with errno when there is no way.
std::string LocalEnd(const addrinfo& info) {
  const int fd = ::socket(info.ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return "";
  sockaddr_storage local = {};
  socklen_t size = sizeof local;
  std::string host;
  if (::connect(fd, info.ai_addr, info.ai_addrlen) == 0 &&
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) == 0)
    host = Numeric(reinterpret_cast<const sockaddr*>(&local));
  const int error = errno;
  ::close(fd);
  errno = error;
  return host;
}

}  // namespace

std::string OwnHost() {
  if (std::string host = OfName(); !host.empty()) return host;
  if (std::string host = OfInterfaces(); !host.empty()) return host;
  return "127.0.0.1";
}

absl::StatusOr<std::string> HostTowards(const Address& peer) {
  int error = 0;
  // A datagram socket needs a port to be connected; any will do.
  const Infos infos = Resolve(peer.host, "9", &error);
  std::string why = error != 0 ? ::gai_strerror(error) : "no address";
  for (const addrinfo* info = infos.get(); info != nullptr; info = info->ai_next) {
    if (std::string host = LocalEnd(*info); !host.empty()) return host;
    why = std::strerror(errno);
  }
  return absl::UnavailableError(fmt::format("no way to {} from here: {}", peer.ToString(), why));
}

}  // namespace trireme::rpc
