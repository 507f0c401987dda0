#include "base/random.h"

#include <gtest/gtest.h>

namespace trireme {
namespace {

TEST(Random, SameSeedGivesSameSequence) {
  Random a(7), b(7), c(8);
  const std::uint64_t first = a.Next();
  EXPECT_EQ(first, b.Next());
  EXPECT_NE(first, c.Next());
}

TEST(Random, BelowCoversItsRangeAndNeverLeavesIt) {
  Random random(1);
  int seen[10] = {};
  for (int i = 0; i < 10000; ++i) {
    const std::uint64_t x = random.Below(10);
    ASSERT_LT(x, 10u);
    ++seen[x];
  }
  for (int count : seen) EXPECT_GT(count, 800);
}

}  // namespace
}  // namespace trireme
