#include <cstdio>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "sim/kv/cast.h"
#include "sim/world.h"

namespace trireme::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSlowdown = 20;
#else
constexpr std::uint64_t kSlowdown = 1;
#endif

void ExpectAllWell(std::uint64_t first, std::uint64_t count) {
  std::uint64_t committed = 0, undecided = 0, operations = 0;
  for (std::uint64_t seed = first; seed < first + count / kSlowdown; ++seed) {
    const RunResult result = World(DrawKvOptions(seed), nullptr, MakeKvCast).Run();
    ASSERT_TRUE(result.ok()) << "trireme sim --kv --seed " << seed << ": " << result.violation;
    committed += result.committed;
    operations += result.operations;
    undecided += result.undecided ? 1 : 0;
  }
  std::printf("%lu entries, %lu operations on registers, %lu histories undecided\n", committed,
              operations, undecided);
  EXPECT_GT(operations, 0u);
  EXPECT_LE(undecided * 10, count);
}

TEST(KvWorlds, OfFixedSeedsAreWell) {
  ExpectAllWell(1, 60);
}

TEST(KvWorlds, OfRandomSeedsAreWell) {
  const std::uint64_t first = std::random_device{}();
  std::printf("seeds from %lu\n", first);
  ExpectAllWell(first, 60);
}

TEST(KvWorlds, ASeedGivesTheSameRunToTheByte) {
  const auto trace_of = [](std::uint64_t seed) {
    std::string trace;
    World(
        DrawKvOptions(seed),
        [&trace](std::string_view line) {
          trace += line;
          trace += '\n';
        },
        MakeKvCast)
        .Run();
    return trace;
  };
  const std::string trace = trace_of(3);
  EXPECT_GT(trace.size(), 1000u);
  EXPECT_EQ(trace, trace_of(3));
}

}  // namespace
}  // namespace trireme::sim
