#pragma once

#include <cmath>

#include "base/random.h"
#include "sim/time.h"

namespace trireme::sim {

inline bool Chance(Random& random, std::uint64_t ppm) {
  return ppm != 0 && random.Below(1'000'000) < ppm;
}

/// Exponential, cut off at 20 times the mean.
inline Micros Exponential(Random& random, Micros mean) {
  if (mean == 0) return 0;
  const double unit = 1.0 - random.Unit();  // in (0, 1]
  return static_cast<Micros>(std::fmin(-std::log(unit), 20.0) * static_cast<double>(mean));
}

}  // namespace trireme::sim
