#pragma once

#include <chrono>
#include <cstdint>

namespace trireme::io {

/// Milliseconds of the monotonic clock; only differences mean anything.
inline std::int64_t SteadyMs() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace trireme::io
