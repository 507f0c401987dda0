#include "rpc/address.h"

#include <charconv>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace trireme::rpc {
namespace {

absl::Status Bad(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      fmt::format("address '{}' {}; write unix:/path, host:port or [ipv6]:port", text, why));
}

absl::StatusOr<Address> ParseUnix(std::string_view text, std::string_view path) {
  if (path.empty()) return Bad(text, "has an empty socket path");
  if (path.find('\0') != path.npos) return Bad(text, "has a zero byte in its socket path");
  if (path.size() > Address::kUnixPathBytesMax) {
    return Bad(text, fmt::format("has a socket path of {} bytes, of which the system takes {}",
                                 path.size(), Address::kUnixPathBytesMax));
  }
  Address address;
  address.kind = Address::Kind::kUnix;
  address.path = path;
  return address;
}

bool ParsePort(std::string_view text, std::uint16_t* port) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *port);
  return error == std::errc() && rest == end && !text.empty();
}

bool IsHostCharacter(char c) {
  return c > 0x20 && c < 0x7f && c != '/' && c != '[' && c != ']';
}

}  // namespace

std::string Address::ToString() const {
  if (kind == Kind::kUnix) return "unix:" + path;
  const bool ipv6 = host.find(':') != host.npos;
  return ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

absl::StatusOr<Address> ParseAddress(std::string_view text) {
  constexpr std::string_view kUnixPrefix = "unix:";
  if (text.starts_with(kUnixPrefix)) return ParseUnix(text, text.substr(kUnixPrefix.size()));
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return Bad(text, "has no port");
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty()) return Bad(text, "has no host");
  for (const char c : host) {
    if (!IsHostCharacter(c)) return Bad(text, "has a character that no host name has");
  }
  if (!bracketed && host.find(':') != host.npos)
    return Bad(text, "has an IPv6 host without brackets");
  if (bracketed && host.find(':') == host.npos)
    return Bad(text, "has brackets around no IPv6 host");
  Address address;
  address.host = host;
  if (!ParsePort(text.substr(colon + 1), &address.port)) {
    return Bad(text, "has a port that is not a number from 0 to 65535");
  }
  return address;
}

}  // namespace trireme::rpc
