#include <gtest/gtest.h>

#include <cstdlib>

#include "mapreduce/plan/describe.h"
#include "mapreduce/plan/simulated_cluster.h"

namespace trireme::mapreduce::plan {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 60;
#else
constexpr std::uint64_t kSeeds = 1000;
#endif

std::string Report(const SimulatedCluster& cluster) {
  std::string text;
  for (const std::string& violation : cluster.violations()) text += violation + "\n";
  return text;
}

/// TRIREME_SIM_SEED=n replays from seed n and prints what happens.
std::uint64_t FirstSeed() {
  const char* seed = std::getenv("TRIREME_SIM_SEED");
  return seed == nullptr ? 1 : std::strtoull(seed, nullptr, 10);
}

TEST(Simulation, EveryFaultAndEveryOracle) {
  std::uint64_t restarts = 0, remade = 0, backups_won = 0, failures = 0;
  for (std::uint64_t seed = FirstSeed(); seed < FirstSeed() + kSeeds; ++seed) {
    SimOptions options = SimOptions::Draw(seed);
    options.print = FirstSeed() != 1;
    SimulatedCluster cluster(options);
    cluster.Run();
    ASSERT_TRUE(cluster.violations().empty()) << options.Text() << "\n" << Report(cluster);
    restarts += cluster.restarts();
    remade += cluster.remade();
    if (const auto shot = cluster.planner().Snapshot(JobId{1})) {
      backups_won += shot->stats.backups_won;
      failures += shot->stats.failures;
    }
  }
  // The faults did happen: what was not provoked was not tested.
  EXPECT_GT(restarts, kSeeds / 4);
  EXPECT_GT(remade, kSeeds / 4);
  EXPECT_GT(backups_won, kSeeds / 40);
  EXPECT_GT(failures, kSeeds / 4);
}

TEST(Simulation, SameSeedSameTrace) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SimulatedCluster first(SimOptions::Draw(seed)), second(SimOptions::Draw(seed));
    first.Run();
    second.Run();
    EXPECT_EQ(first.trace_hash(), second.trace_hash()) << seed;
  }
  SimulatedCluster one(SimOptions::Draw(1)), other(SimOptions::Draw(2));
  one.Run();
  other.Run();
  EXPECT_NE(one.trace_hash(), other.trace_hash());
}

TEST(Simulation, WhenNothingFailsEachTaskRunsOnce) {
  SimOptions options;
  options.maps = 40;
  options.reduces = 9;
  options.faults_until_ms = 0;
  SimulatedCluster cluster(options);
  cluster.Run();
  ASSERT_TRUE(cluster.violations().empty()) << Report(cluster);
  const JobStats stats = cluster.planner().Snapshot(JobId{1})->stats;
  EXPECT_EQ(stats.attempts, 49u);
  EXPECT_EQ(stats.backups, 0u);
}

TimeMs TimeWithSpeed(double speed, std::uint32_t maps, std::uint32_t reduces, TimeMs task_ms,
                     bool* backed_up) {
  SimOptions options;
  options.workers = 4;
  options.slots = 1;
  options.maps = maps;
  options.reduces = reduces;
  options.task_ms = task_ms;
  options.faults_until_ms = 0;
  if (speed != 1) options.speed[2] = speed;
  SimulatedCluster cluster(options);
  cluster.Run();
  EXPECT_TRUE(cluster.violations().empty()) << Report(cluster);
  if (backed_up != nullptr) *backed_up = cluster.planner().Snapshot(JobId{1})->stats.backups > 0;
  return cluster.now();
}

// Three of four workers alone need 4/3 of the time: what is left for noticing is a sixth.
TEST(Simulation, OneOfFourWorkersTenTimesSlowerCostsAtMostHalfAgain) {
  for (const TimeMs task_ms : {200, 500, 1'000, 2'000}) {
    for (const std::uint32_t reduces : {1, 3, 4, 8, 12, 24}) {
      bool backed_up = false;
      const TimeMs undisturbed_ms = TimeWithSpeed(1, 64, reduces, task_ms, nullptr);
      const TimeMs slowed_ms = TimeWithSpeed(0.1, 64, reduces, task_ms, &backed_up);
      EXPECT_LE(slowed_ms, undisturbed_ms * 3 / 2) << task_ms << " ms, " << reduces << " reduces";
      EXPECT_TRUE(backed_up || task_ms < 2'000);
    }
  }
}

// ---- The oracles can fail: bugs put in between the planner and the cluster.

bool SomeSeedFails(const SimBug& bug, const std::string& why) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SimOptions options = SimOptions::Draw(seed);
    options.give_up_ms = 120'000;
    SimulatedCluster cluster(options, bug);
    cluster.Run();
    if (Report(cluster).find(why) != std::string::npos) return true;
  }
  return false;
}

TEST(SimulationOracles, SeeARecordThatWasNotJournaled) {
  SimBug bug;
  bug.lose_record = [](const JournalRecord& r) { return std::holds_alternative<MapSucceeded>(r); };
  EXPECT_TRUE(SomeSeedFails(bug, "its output is there"));
}

TEST(SimulationOracles, SeeATaskThatIsLost) {
  SimBug bug;
  bug.lose_assignment = [](const AssignAttempt& a) {
    return a.attempt.task.phase == Phase::kMap && a.attempt.task.index == 3;
  };
  EXPECT_TRUE(SomeSeedFails(bug, "never ended"));
}

TEST(SimulationOracles, SeeAnAttemptAssignedTwice) {
  SimBug bug;
  bug.assign_twice = [](const AssignAttempt& a) { return a.attempt.task.index == 3; };
  EXPECT_TRUE(SomeSeedFails(bug, "attempt id used twice"));
}

TEST(SimulationOracles, SeeACommitWithoutPermission) {
  SimBug bug;
  bug.grant_every_commit = true;
  EXPECT_TRUE(SomeSeedFails(bug, "committed without permission"));
}

}  // namespace
}  // namespace trireme::mapreduce::plan
