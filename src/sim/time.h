#pragma once

#include <cstdint>

namespace trireme::sim {

/// Microseconds of virtual time since the world began.
using Micros = std::uint64_t;

inline constexpr Micros kMillisecond = 1'000;
inline constexpr Micros kSecond = 1'000'000;

}  // namespace trireme::sim
