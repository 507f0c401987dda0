#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace trireme::mapreduce::launch {

/// Hosts of one job.
inline constexpr std::size_t kHostsMax = 4096;
/// A file of hosts.
inline constexpr std::size_t kHostsFileBytesMax = 1u << 20;

/// A machine that ssh reaches.
struct Host {
  std::string name;         ///< as ssh takes it: [user@]host, or an alias of its configuration
  std::uint32_t slots = 0;  ///< 0: not said

  friend bool operator==(const Host&, const Host&) = default;
};

/// Reads `host1,user@host2*4`: names, each perhaps with its slots after `*`. INVALID_ARGUMENT names
/// what is wrong with which.
[[nodiscard]] absl::StatusOr<std::vector<Host>> ParseHosts(std::string_view text);

/// The same from a file when `text` is `@FILE`: one or several a line; `#` begins a comment.
[[nodiscard]] absl::StatusOr<std::vector<Host>> ReadHosts(std::string_view text);

}  // namespace trireme::mapreduce::launch
