#include "mapreduce/plan/durations.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace trireme::mapreduce::plan {
namespace {

TEST(Durations, EmptyIsZero) {
  EXPECT_EQ(Durations().Median(), 0);
}

TEST(Durations, MedianIsWithinABucketOfTheExactOne) {
  Random random(7);
  for (int round = 0; round < 200; ++round) {
    Durations durations;
    std::vector<TimeMs> exact;
    const std::uint64_t scale = 1ull << random.Below(36);
    for (std::uint64_t i = 0, n = 1 + random.Below(99); i < n; ++i) {
      exact.push_back(static_cast<TimeMs>(random.Below(scale)));
      durations.Add(exact.back());
    }
    std::sort(exact.begin(), exact.end());
    const auto middle = static_cast<double>(exact[exact.size() / 2]);
    EXPECT_NEAR(static_cast<double>(durations.Median()), middle, 0.07 * middle + 1);
  }
}

TEST(Durations, AbsurdOnesAreCountedToo) {
  Durations durations;
  durations.Add(-5);
  EXPECT_EQ(durations.Median(), 0);
  durations.Add(INT64_MAX);
  durations.Add(INT64_MAX);
  EXPECT_GT(durations.Median(), TimeMs{1} << 40);
}

}  // namespace
}  // namespace trireme::mapreduce::plan
