#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace trireme::rpc {

/// How many calls took how long: four buckets for each doubling, from 256 ns to 68 s, so that a
/// quantile read from them is at most a quarter too large.
inline constexpr std::size_t kLatencyBuckets = 112;
using LatencyCounts = std::array<std::uint64_t, kLatencyBuckets>;

/// Counts calls by their time. Thread-safe.
class Latencies {
 public:
  void Add(std::chrono::nanoseconds took) {
    counts_[BucketOf(took)].fetch_add(1, std::memory_order_relaxed);
  }
  LatencyCounts counts() const {
    LatencyCounts counts;
    for (std::size_t i = 0; i < kLatencyBuckets; ++i)
      counts[i] = counts_[i].load(std::memory_order_relaxed);
    return counts;
  }

  static std::size_t BucketOf(std::chrono::nanoseconds took) {
    const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0));
    const std::uint64_t units = std::max<std::uint64_t>(ns / kUnitNs, 4);
    const auto doublings = static_cast<std::size_t>(std::bit_width(units)) - 3;
    const auto part = static_cast<std::size_t>(units >> doublings & 3);
    return std::min(doublings * 4 + part, kLatencyBuckets - 1);
  }
  /// What no call in the bucket reaches, in seconds.
  static double EndOf(std::size_t bucket) {
    const std::uint64_t units = std::uint64_t{bucket % 4 + 5} << bucket / 4;
    return static_cast<double>(units * kUnitNs) / 1e9;
  }

 private:
  static constexpr std::uint64_t kUnitNs = 64;
  std::array<std::atomic<std::uint64_t>, kLatencyBuckets> counts_{};
};

/// The time that a share `q` of these calls did not exceed, in seconds; 0 when there are none.
inline double Quantile(const LatencyCounts& counts, double q) {
  std::uint64_t all = 0;
  for (const std::uint64_t count : counts) all += count;
  if (all == 0) return 0;
  double left = q * static_cast<double>(all);
  for (std::size_t i = 0; i < kLatencyBuckets; ++i) {
    left -= static_cast<double>(counts[i]);
    if (left <= 0) return Latencies::EndOf(i);
  }
  return Latencies::EndOf(kLatencyBuckets - 1);
}

}  // namespace trireme::rpc
