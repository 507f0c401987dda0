#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace trireme::io {

/// How long something takes, in the buckets that etcd has for its disks: a millisecond, and double
/// that, up to eight seconds. Thread-safe.
class DurationHistogram {
 public:
  static constexpr std::size_t kBuckets = 14;

  void Add(std::chrono::nanoseconds duration);
  /// In Prometheus's text format, as seconds.
  void AppendTo(std::string& page, std::string_view name, std::string_view help) const;

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets + 1> counts_{};  ///< The last: longer.
  std::atomic<std::uint64_t> sum_ns_{0};
};

}  // namespace trireme::io
