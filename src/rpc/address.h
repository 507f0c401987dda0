#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace trireme::rpc {

/// Where a server listens or a channel connects: `unix:/path`, `host:port` or `[ipv6]:port`.
/// A value; copies are independent.
struct Address {
  enum class Kind { kUnix, kTcp };

  Kind kind = Kind::kTcp;
  std::string path;        // kUnix: the socket's path, at most kUnixPathBytesMax bytes.
  std::string host;        // kTcp: a name or a numeric address, without brackets.
  std::uint16_t port = 0;  // kTcp: 0 lets a listener pick a free port.

  static constexpr std::size_t kUnixPathBytesMax = 107;  // sizeof(sockaddr_un::sun_path) - 1

  /// The text that ParseAddress reads back to an equal value.
  std::string ToString() const;

  friend bool operator==(const Address&, const Address&) = default;
};

/// Reads an address. INVALID_ARGUMENT names the text, what is wrong with it and the two forms.
absl::StatusOr<Address> ParseAddress(std::string_view text);

}  // namespace trireme::rpc
