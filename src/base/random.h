#pragma once

#include <cstdint>

namespace trireme {

/// SplitMix64 (Steele, Lea & Flood, OOPSLA '14): one well-mixed word per call from 64 bits of
/// state. The only source of randomness in pure rooms; its seed is always passed in. Not for
/// secrets.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t Next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }

  /// Uniform in [0, bound); bound > 0. Bias is below 2^-32 for bounds below 2^32 (Lemire '19).
  std::uint64_t Below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
  }

  /// True with probability `numerator` / `denominator`.
  bool OneIn(std::uint64_t denominator) { return Below(denominator) == 0; }

  /// Uniform in [0, 1).
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1p-53; }

 private:
  std::uint64_t state_;
};

}  // namespace trireme
