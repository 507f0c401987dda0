#include <cstdio>
#include <functional>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "sim/mr/cast.h"
#include "sim/world.h"

/// Whole worlds of jobs: KV members, coordinators and workers under all faults.
namespace trireme::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSlowdown = 20;
#else
constexpr std::uint64_t kSlowdown = 1;
#endif

MakeCast With(MrBug bug) {
  return [bug](Surroundings around) { return MakeMrCastWith(around, bug); };
}

void ExpectAllWell(std::uint64_t first, std::uint64_t count) {
  std::uint64_t committed = 0, promises = 0;
  for (std::uint64_t seed = first; seed < first + count / kSlowdown; ++seed) {
    const RunResult result = World(DrawMrOptions(seed), nullptr, MakeMrCast).Run();
    ASSERT_TRUE(result.ok()) << "trireme sim --mr --seed " << seed << ": " << result.violation;
    committed += result.committed;
    promises += result.operations;
  }
  std::printf("%lu entries, %lu tasks promised\n", committed, promises);
  EXPECT_GT(promises, 0u);
}

TEST(MrWorlds, OfFixedSeedsAreWell) {
  ExpectAllWell(1, 40);
}

TEST(MrWorlds, OfRandomSeedsAreWell) {
  const std::uint64_t first = std::random_device{}();
  std::printf("seeds from %lu\n", first);
  ExpectAllWell(first, 40);
}

TEST(MrWorlds, ASeedGivesTheSameRunToTheByte) {
  const auto trace_of = [](std::uint64_t seed) {
    std::string trace;
    World(
        DrawMrOptions(seed),
        [&trace](std::string_view line) {
          trace += line;
          trace += '\n';
        },
        MakeMrCast)
        .Run();
    return trace;
  };
  const std::string trace = trace_of(3);
  EXPECT_GT(trace.size(), 1000u);
  EXPECT_EQ(trace, trace_of(3));
}

// What watches can fail.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
class MrBugs : public testing::TestWithParam<MrBug> {};

TEST_P(MrBugs, AreFound) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    const RunResult result = World(DrawMrOptions(seed), nullptr, With(GetParam())).Run();
    if (result.ok()) continue;
    std::printf("seed %lu: %s\n", seed, result.violation.c_str());
    return;
  }
  FAIL() << "500 worlds without a violation";
}

INSTANTIATE_TEST_SUITE_P(All, MrBugs,
                         testing::Values(MrBug::kPromiseEarly, MrBug::kNoFence, MrBug::kEpochLate));
#endif

}  // namespace
}  // namespace trireme::sim
