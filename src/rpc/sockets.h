#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/address.h"
#include "rpc/descriptor.h"

namespace trireme::rpc {

/// An address as the system's calls take it.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  /// "host:port" or "unix:path".
  std::string ToString() const;
};

/// Every socket address of `address`, preferred first. May ask the resolver, and block for it,
/// unless the host is numeric or a unix path. UNAVAILABLE: the host is not known.
absl::StatusOr<std::vector<SocketAddress>> Resolve(const Address& address);
/// Whether Resolve answers without asking anybody.
bool ResolvesAtOnce(const Address& address);

/// A non-blocking listening socket and the address it got. Thread-safe.
absl::StatusOr<std::pair<OwnedDescriptor, Address>> ListenOn(const Address& address);

/// A non-blocking socket on its way to `to`. UNAVAILABLE when it fails at once.
absl::StatusOr<OwnedDescriptor> BeginConnect(const SocketAddress& to);

/// No delays for small writes on a TCP socket; nothing on others.
void SetNoDelay(int descriptor);

}  // namespace trireme::rpc
