#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "rpc/address.h"

/// This machine as others reach it.
namespace trireme::rpc {

/// Its numeric address for other machines: what its name resolves to unless that is only itself,
/// else that of its first interface that is up, else 127.0.0.1.
std::string OwnHost();

/// The numeric address from which this machine reaches `peer`, a TCP address: what others on the
/// same network reach it by. UNAVAILABLE names the peer when its name resolves to nothing or no
/// route leads there. Sends nothing.
[[nodiscard]] absl::StatusOr<std::string> HostTowards(const Address& peer);

}  // namespace trireme::rpc
