#include "io/histogram.h"

#include <algorithm>
#include <iterator>

#include "fmt/format.h"

namespace trireme::io {
namespace {

constexpr std::chrono::nanoseconds BoundOf(std::size_t bucket) {
  return std::chrono::milliseconds(1) * (1 << bucket);
}

double Seconds(std::uint64_t ns) {
  return static_cast<double>(ns) / 1e9;
}

}  // namespace

void DurationHistogram::Add(std::chrono::nanoseconds duration) {
  std::size_t bucket = 0;
  while (bucket < kBuckets && duration > BoundOf(bucket)) ++bucket;
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  sum_ns_.fetch_add(static_cast<std::uint64_t>(std::max<std::int64_t>(duration.count(), 0)),
                    std::memory_order_relaxed);
}

void DurationHistogram::AppendTo(std::string& page, std::string_view name,
                                 std::string_view help) const {
  const auto to = std::back_inserter(page);
  fmt::format_to(to, "# HELP {0} {1}\n# TYPE {0} histogram\n", name, help);
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    count += counts_[i].load(std::memory_order_relaxed);
    fmt::format_to(to, "{}_bucket{{le=\"{}\"}} {}\n", name,
                   Seconds(static_cast<std::uint64_t>(BoundOf(i).count())), count);
  }
  count += counts_[kBuckets].load(std::memory_order_relaxed);
  fmt::format_to(to, "{0}_bucket{{le=\"+Inf\"}} {1}\n{0}_sum {2}\n{0}_count {1}\n", name, count,
                 Seconds(sum_ns_.load(std::memory_order_relaxed)));
}

}  // namespace trireme::io
