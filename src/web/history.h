#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace trireme::web {

/// What charts show: so many samples, one a second.
inline constexpr std::size_t kHistorySamplesMax = 900;
/// The newest samples that an event carries; who missed more asks for the whole history.
inline constexpr std::size_t kEventSamplesMax = 10;

/// The newest kHistorySamplesMax samples of N numbers each. Not thread-safe.
template <std::size_t N>
class History {
 public:
  struct Sample {
    std::uint64_t number = 0;  ///< One more than the one before.
    std::int64_t unix_ms = 0;
    std::array<double, N> values{};
  };

  void Add(std::int64_t unix_ms, const std::array<double, N>& values) {
    samples_.push_back({++last_, unix_ms, values});
    if (samples_.size() > kHistorySamplesMax) samples_.pop_front();
  }
  const std::deque<Sample>& samples() const { return samples_; }

 private:
  std::deque<Sample> samples_;
  std::uint64_t last_ = 0;
};

}  // namespace trireme::web
