#include "sim/world.h"

#include <chrono>
#include <string>

#include "gtest/gtest.h"

namespace trireme::sim {
namespace {

TEST(World, FirstSeeds) {
  std::uint64_t micros = 0, events = 0, ops = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    const Options options = Options::Draw(seed);
    ASSERT_TRUE(options.Validate().ok()) << options.Validate();
    World world(options);
    const RunResult result = world.Run();
    micros += result.at;
    events += result.events;
    ops += result.operations;
    EXPECT_EQ(result.violation, "") << "seed " << seed << " at " << result.at << "\n" << options.Text();
  }
  const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  printf("%.0f simulated seconds in %.2f s: %.0f per second; %lu events, %lu operations\n", micros / 1e6, took,
         micros / 1e6 / took, events, ops);
}

}  // namespace
}  // namespace trireme::sim
