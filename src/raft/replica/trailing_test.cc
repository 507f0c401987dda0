#include "raft/replica/trailing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/random.h"

namespace trireme::raft {
namespace {

constexpr std::uint64_t kRoughly = 256u << 10;

TEST(Trailing, NothingGoesWhileLittleHasBeenSeen) {
  Trailing trailing;
  EXPECT_EQ(trailing.DropTo(Index{10}, 100), Index{});
  trailing.Add(Index{5}, 50);
  EXPECT_EQ(trailing.DropTo(Index{4}, 0), Index{}) << "what is applied later says nothing of it";
  EXPECT_EQ(trailing.DropTo(Index{10}, 100), Index{});
}

TEST(Trailing, KeepsAboutSoManyBytes) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    Trailing trailing;
    std::vector<std::uint64_t> totals{0};  // By index.
    std::uint64_t dropped = 0;
    const std::uint64_t largest = 1 + random.Below(2 * kRoughly);
    for (int batch = 0; batch < 300; ++batch) {
      std::uint64_t bytes = 0;
      for (std::uint64_t i = random.Below(20) + 1; i > 0; --i) {
        const std::uint64_t entry = random.Below(largest);
        totals.push_back(totals.back() + entry);
        bytes += entry;
      }
      trailing.Add(Index{totals.size() - 1}, bytes);
      if (!random.OneIn(10)) continue;
      const std::uint64_t at =
          totals.size() - 1 - random.Below(std::min<std::uint64_t>(totals.size(), 20));
      const std::uint64_t bytes_max = random.Below(20) * kRoughly;
      const Index drop_to = trailing.DropTo(Index{at}, bytes_max);
      ASSERT_LE(drop_to.value, at);
      if (drop_to.value == 0) continue;
      dropped = drop_to.value;
      ASSERT_LE(totals[at] - totals[dropped], bytes_max + kRoughly + 20 * largest);
    }
    EXPECT_TRUE(dropped > 0 || totals.back() < 40 * kRoughly);
  }
}

TEST(Trailing, WithManySmallEntriesItRemembersLittleAndKeepsAlmostAll) {
  Trailing trailing;
  constexpr std::uint64_t kEntries = 1'000'000, kBytes = 100, kMax = 32u << 20;
  for (std::uint64_t i = 1; i <= kEntries; ++i) trailing.Add(Index{i}, kBytes);
  const std::uint64_t kept = kEntries - trailing.DropTo(Index{kEntries}, kMax).value;
  EXPECT_LE(kept * kBytes, kMax + kRoughly);
  EXPECT_GE(kept * kBytes, kMax - 2 * kRoughly);
}

}  // namespace
}  // namespace trireme::raft
