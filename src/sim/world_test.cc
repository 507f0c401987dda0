#include "sim/world.h"

#include <cstdio>
#include <functional>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "sim/shrink.h"

namespace trireme::sim {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSlowdown = 20;
#else
constexpr std::uint64_t kSlowdown = 1;
#endif

std::uint64_t DrawSeed() {
  const std::uint64_t first = std::random_device{}();
  std::printf("seeds from %lu\n", first);
  return first;
}

void ExpectAllWell(
    std::uint64_t first, std::uint64_t count,
    const std::function<void(Options*)>& change = [](Options*) {}) {
  Micros simulated = 0;
  std::uint64_t committed = 0;
  std::uint64_t undecided = 0;
  for (std::uint64_t seed = first; seed < first + count / kSlowdown; ++seed) {
    Options options = Options::Draw(seed);
    change(&options);
    const RunResult result = World(options).Run();
    ASSERT_TRUE(result.ok()) << "trireme sim --seed " << seed << " --with "
                             << options.Difference(Options::Draw(seed)) << ": " << result.violation;
    simulated += result.at;
    committed += result.committed;
    undecided += result.undecided ? 1 : 0;
  }
  std::printf("%.0f simulated seconds, %lu entries, %lu histories undecided\n",
              static_cast<double>(simulated) / 1e6, committed, undecided);
  EXPECT_GT(committed, 0u);
  EXPECT_LE(undecided * 500, count);
}

// Together these take about two minutes of one core.
TEST(WorldFixedSeeds, From1) {
  ExpectAllWell(1, 800);
}
TEST(WorldFixedSeeds, From801) {
  ExpectAllWell(801, 800);
}
TEST(WorldFixedSeeds, From1601) {
  ExpectAllWell(1'601, 800);
}
TEST(WorldFixedSeeds, From2401) {
  ExpectAllWell(2'401, 800);
}
TEST(WorldRandomSeeds, DrawnAnew) {
  ExpectAllWell(DrawSeed(), 800);
}
TEST(WorldRandomSeeds, DrawnAnewOnceMore) {
  ExpectAllWell(DrawSeed(), 800);
}
TEST(WorldRandomSeeds, DrawnAnewOverTheModelOfAStorage) {
  ExpectAllWell(DrawSeed(), 800, [](Options* o) { o->log_storage = o->damage_ms = 0; });
}

std::string TraceOf(const Options& options) {
  std::string trace;
  World world(options, [&](std::string_view line) { trace.append(line).append("\n"); });
  (void)world.Run();
  return trace;
}

TEST(World, TheSameSeedGivesTheSameTraceToTheByte) {
  for (std::uint64_t seed = 1; seed <= 40 / kSlowdown + 1; ++seed) {
    const Options options = Options::Draw(seed);
    const std::string once = TraceOf(options);
    EXPECT_GT(once.size(), 1'000u);
    EXPECT_TRUE(once == TraceOf(options)) << seed;
  }
}

TEST(World, TracingChangesNothing) {
  const Options options = Options::Draw(3);
  std::uint64_t lines = 0;
  const RunResult traced = World(options, [&](std::string_view) { ++lines; }).Run();
  const RunResult plain = World(options).Run();
  EXPECT_GT(lines, 0u);
  EXPECT_EQ(traced.events, plain.events);
  EXPECT_EQ(traced.committed, plain.committed);
}

/// How many worlds of those from seed 1 on, all of which are well, show this in their traces.
std::uint64_t WorldsThatShow(std::string_view what, Options::Number Options::*fault,
                             Options::Number mean_ms) {
  std::uint64_t shown = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Options options = Options::Draw(seed);
    options.voters = 3;
    options.witness = 0;
    options.membership_ms = 0;
    options.log_storage = 1;
    options.*fault = mean_ms;
    options.safety_ms = 5'000;
    bool here = false;
    World world(options, [&](std::string_view line) { here |= line.find(what) != line.npos; });
    const RunResult result = world.Run();
    EXPECT_EQ(result.violation, "") << seed;
    shown += here ? 1 : 0;
  }
  return shown;
}

TEST(World, ADamagedNodeRefusesToStartAndIsReplaced) {
  EXPECT_GE(WorldsThatShow("stops: DATA_LOSS", &Options::damage_ms, 300), 3u);
}
TEST(World, AFullDiskStopsNobody) {
  EXPECT_GE(WorldsThatShow("has a full disk", &Options::full_disk_ms, 300), 10u);
}
TEST(World, AFailedSyncStopsTheNode) {
  EXPECT_GE(WorldsThatShow("stops: INTERNAL: fdatasync", &Options::sync_fails_ms, 300), 10u);
}
TEST(World, ThePowerGoesOffWithinAnOperationOfTheDisk) {
  EXPECT_GE(WorldsThatShow("the power is off", &Options::power_off_ms, 300), 5u);
}

/// A cluster that cannot elect in the time it is given: what a failure looks like, and that
/// shrinking keeps it a failure while it takes faults away.
TEST(World, StandstillIsAViolationAndShrinks) {
  Options options = Options::Draw(1);
  options.voters = 3;
  options.settle_ms = 0;
  options.crash_ms = 500;
  options.clients = 4;
  options.safety_ms = 4'000;
  ASSERT_TRUE(options.Validate().ok()) << options.Validate();
  const RunResult result = World(options).Run();
  EXPECT_NE(result.violation.find("no progress"), std::string::npos) << result.violation;
  const Shrunk shrunk = Shrink(options, [](const Options& o) { return World(o).Run(); });
  EXPECT_FALSE(shrunk.result.ok());
  EXPECT_EQ(shrunk.options.crash_ms, 0u);
  EXPECT_LE(shrunk.runs, kShrinkRunsMax);
  EXPECT_EQ(World(shrunk.options).Run().violation, shrunk.result.violation);
}

TEST(Options, TextIsReadBack) {
  const Options options = Options::Draw(77);
  Options read;
  for (const OptionField& field : OptionFields()) {
    ASSERT_TRUE(read.Set(field.name, std::to_string(options.*field.number)).ok());
  }
  EXPECT_EQ(read, options);
  EXPECT_EQ(options.Difference(options), "");
  read.crash_ms = 9;
  EXPECT_EQ(read.Difference(options), "crash_ms=9");
}

TEST(Options, WrongOnesAreRefused) {
  Options options;
  EXPECT_EQ(options.Set("crush_ms", "1").message(),
            "no option of the simulator is named 'crush_ms': `trireme sim --options` lists them");
  EXPECT_EQ(options.Set("crash_ms", "-1").message(),
            "option crash_ms is '-1': give a whole number of 0 or more");
  options.lease_ticks = 5;
  options.clock_drift_ppm = options.clock_drift_ppm_max + 1;
  EXPECT_FALSE(options.Validate().ok());
}

TEST(Options, EveryDrawIsValid) {
  for (std::uint64_t seed = 0; seed < 5'000; ++seed) {
    ASSERT_TRUE(Options::Draw(seed).Validate().ok()) << seed << Options::Draw(seed).Validate();
  }
}

}  // namespace
}  // namespace trireme::sim
