#include "sim/sharded/world.h"

#include <cstdint>
#include <cstdio>
#include <random>
#include <string>

#include "gtest/gtest.h"

namespace trireme::sim::sharded {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSlowdown = 20;
#else
constexpr std::uint64_t kSlowdown = 1;
#endif
constexpr std::uint64_t kSeeds = 200;

void ExpectAllWell(std::uint64_t first) {
  std::uint64_t committed = 0;
  std::uint64_t undecided = 0;
  for (std::uint64_t seed = first; seed < first + kSeeds / kSlowdown; ++seed) {
    const RunResult result = Run(DrawOptions(seed));
    ASSERT_TRUE(result.ok()) << "trireme sim --sharded --seed " << seed << ": " << result.violation;
    committed += result.committed;
    undecided += result.undecided ? 1 : 0;
  }
  std::printf("%lu commands, %lu histories undecided\n", committed, undecided);
  EXPECT_GT(committed, 0u);
  EXPECT_LE(undecided * 100, kSeeds);
}

TEST(ShardedWorldFixedSeeds, From1) {
  ExpectAllWell(1);
}
TEST(ShardedWorldRandomSeeds, DrawnAnew) {
  const std::uint64_t first = std::random_device{}();
  std::printf("seeds from %lu\n", first);
  ExpectAllWell(first);
}

std::string TraceOf(const Options& options) {
  std::string trace;
  (void)Run(options, [&](std::string_view line) { trace.append(line).append("\n"); });
  return trace;
}

TEST(ShardedWorld, TheSameSeedGivesTheSameTraceToTheByte) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Options options = DrawOptions(seed);
    options.safety_ms = 3'000;
    const std::string once = TraceOf(options);
    EXPECT_GT(once.size(), 1'000u);
    EXPECT_TRUE(once == TraceOf(options)) << seed;
  }
}

/// In most worlds, whatever else happens, shards that are served move.
TEST(ShardedWorld, ShardsMove) {
  std::uint64_t worlds = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    bool moved = false;
    (void)sharded::Run(DrawOptions(seed), [&](std::string_view line) {
      const bool frozen = line.find(" freeze ") != line.npos && line.find("-> ok") != line.npos;
      moved |= frozen && line.find(" applies ") != line.npos;
    });
    worlds += moved ? 1 : 0;
  }
  EXPECT_GE(worlds, 12u);
}

TEST(ShardedWorld, EveryDrawIsValid) {
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    ASSERT_TRUE(DrawOptions(seed).Validate().ok()) << seed << DrawOptions(seed).Validate();
  }
}

}  // namespace
}  // namespace trireme::sim::sharded
