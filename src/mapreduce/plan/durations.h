#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "mapreduce/plan/types.h"

namespace trireme::mapreduce::plan {

/// How long the finished tasks of a phase took. Eight buckets per power of two: the median is
/// within 7 % of the exact one, in constant space however many tasks there are.
class Durations {
 public:
  void Add(TimeMs duration_ms) {
    ++buckets_[Bucket(duration_ms)];
    ++count_;
  }

  std::uint32_t count() const { return count_; }

  /// The middle of the median's bucket; 0 when nothing was added.
  TimeMs Median() const {
    std::uint32_t seen = 0;
    for (std::uint32_t i = 0; i < buckets_.size(); ++i) {
      seen += buckets_[i];
      if (seen * 2 > count_) return Middle(i);
    }
    return 0;
  }

 private:
  static constexpr int kSubBits = 3;
  static constexpr int kPowers = 40;

  static std::uint32_t Bucket(TimeMs duration_ms) {
    const auto value = static_cast<std::uint64_t>(duration_ms < 0 ? 0 : duration_ms);
    if (value < (1u << kSubBits)) return static_cast<std::uint32_t>(value);
    const int shift = std::bit_width(value) - 1 - kSubBits;
    const auto bucket = static_cast<std::uint32_t>((shift << kSubBits) + (value >> shift));
    return bucket < kPowers << kSubBits ? bucket : (kPowers << kSubBits) - 1;
  }

  static TimeMs Middle(std::uint32_t bucket) {
    if (bucket < (2u << kSubBits)) return bucket;
    const int shift = static_cast<int>(bucket >> kSubBits) - 1;
    const TimeMs low = static_cast<TimeMs>((bucket & ((1u << kSubBits) - 1)) + (1u << kSubBits))
                       << shift;
    return low + (TimeMs{1} << shift) / 2;
  }

  std::array<std::uint32_t, kPowers << kSubBits> buckets_{};
  std::uint32_t count_ = 0;
};

}  // namespace trireme::mapreduce::plan
