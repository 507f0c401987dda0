#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace trireme::bench {

struct ShuffleResult {
  double fetch_bytes_per_s = 0;    ///< through server and fetcher, checksums compared
  double ceiling_bytes_per_s = 0;  ///< the same bytes by write and read on a socket, no more
};

/// Map output of `bytes` in `maps` files, from a process that serves it to this one, which fetches
/// it, over loopback TCP; the ceiling with the same pair of processes. `rounds` of each in turn,
/// medians.
[[nodiscard]] absl::StatusOr<ShuffleResult> RunShuffle(const std::string& directory,
                                                       std::uint64_t bytes, std::uint32_t maps,
                                                       int rounds);

}  // namespace trireme::bench
