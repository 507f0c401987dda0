#include <string>

#include "gtest/gtest.h"
#include "sim/test_course.h"

/// The scenarios of MIT 6.5840's labs 2 and 4 that need a replicated key-value store and no more,
/// by their names, over the simulator's own store. docs/simulator.md says which wait for the real
/// one.
namespace trireme::sim {
namespace {

using linear::KvCode;

constexpr std::uint64_t kStateBytesMax = 8'000;

std::uint64_t VersionOn(Course& c, std::uint64_t id) {
  return c.server(id).service().registers()->Get(0).version;
}
void ExpectVersion(Course& c, std::uint64_t version) {
  for (std::uint64_t id = 1; id <= c.servers(); ++id) EXPECT_EQ(VersionOn(c, id), version) << id;
}
void ExpectLogsBelow(Course& c, std::uint64_t bytes) {
  for (std::uint64_t id = 1; id <= c.servers(); ++id) {
    EXPECT_LE(c.server(id).core().Status().log_bytes, bytes) << id;
  }
}

TEST(CourseLab2, ReliablePut) {
  KvMachine machine;
  const auto put = [&](std::uint64_t sequence, std::uint64_t key, std::uint64_t version) {
    return machine.Apply({1, sequence, KvKind::kComparePut, key, version, "x"}).result;
  };
  EXPECT_EQ(machine.Get(1).code, KvCode::kNoKey);
  EXPECT_EQ(put(1, 1, 0).version, 1u);
  EXPECT_EQ(machine.Get(1).version, 1u);
  EXPECT_EQ(put(2, 1, 0).code, KvCode::kWrongVersion);
  EXPECT_EQ(put(3, 2, 1).code, KvCode::kNoKey);
  EXPECT_EQ(machine.Get(2).code, KvCode::kNoKey);
}

TEST(CourseLab4, Basic4A) {
  Course c(3);
  for (std::uint64_t i = 1; i <= 10; ++i) {
    c.One(3);
    ExpectVersion(c, i);
  }
}

TEST(CourseLab4, Concurrent4A) {
  Course c(3);
  const std::uint64_t leader = c.CheckOneLeader();
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(c.Submit(leader));
  EXPECT_TRUE(c.RunUntil([&] { return c.Applied(50) == 3; }, kAgreement));
  ExpectVersion(c, 50);
}

TEST(CourseLab4, LeaderFailure4A) {
  Course c(3);
  c.One(3);
  const std::uint64_t leader = c.CheckOneLeader();
  c.Disconnect(leader);
  c.One(2);
  c.Connect(leader);
  c.One(3);
  ExpectVersion(c, 3);
}

TEST(CourseLab4, LeaderPartition4A) {
  Course c(3);
  c.One(3);
  const std::uint64_t leader = c.CheckOneLeader();
  c.Disconnect(leader);
  for (int i = 0; i < 100; ++i) (void)c.Submit(leader);
  c.One(2);
  c.RunFor(2 * kSecond);
  EXPECT_EQ(VersionOn(c, leader), 1u) << "none of the hundred may be executed";
  c.Connect(leader);
  EXPECT_TRUE(c.RunUntil([&] { return !c.server(leader).leads(); }, kSecond));
  c.One(3);
  ExpectVersion(c, 3);
}

TEST(CourseLab4, RestartReplay4A) {
  Course c(3);
  for (int i = 0; i < 100; ++i) c.One(3);
  c.CrashAll();
  c.RunFor(kSecond);
  c.RestartAll();
  c.One(3);
  ExpectVersion(c, 101);
}

TEST(CourseLab4, Snapshot4C) {
  Course c(3, false, 20);
  for (int i = 0; i < 100; ++i) c.One(3);
  ExpectLogsBelow(c, 2'000);
  c.CrashAll();
  c.RestartAll();
  c.One(3);
  ExpectVersion(c, 101);
}

TEST(CourseLab4, SnapshotRPC4C) {
  Course c(3, false, 20);
  c.One(3);
  const std::uint64_t leader = c.CheckOneLeader();
  const std::uint64_t away = c.Next(leader);
  c.Disconnect(away);
  for (int i = 0; i < 50; ++i) c.One(2);
  c.Disconnect(c.Next(away));
  c.Connect(away);
  c.One(2);
  EXPECT_EQ(VersionOn(c, away), 52u);
  ExpectLogsBelow(c, kStateBytesMax);
}

TEST(CourseLab4, SnapshotSize4C) {
  Course c(3, false, 20);
  for (int i = 0; i < 400; ++i) {
    EXPECT_TRUE(c.Submit(c.CheckOneLeader(), 1));
    c.RunFor(20 * kMillisecond);
  }
  c.One(3);
  ExpectLogsBelow(c, kStateBytesMax);
  EXPECT_LE(c.server(1).service().registers()->Serialize().size(), 500u);
}

/// The generic test: clients for some seconds, all the while faults; then everything that they saw
/// has one order (with versions, so every put counts exactly once).
struct Generic {
  const char* name;
  std::uint64_t clients;
  std::uint64_t servers;
  bool unreliable = false;
  bool restarts = false;
  bool partitions = false;
  bool snapshots = false;
  std::uint64_t keys = 1;
};
void PrintTo(const Generic& generic, std::ostream* out) {
  *out << generic.name;
}

Options OptionsOf(const Generic& g) {
  Options o = Course::Quiet(g.servers, g.unreliable, g.snapshots ? 20 : 0);
  o.leader_noop = 1;
  o.clients = g.clients;
  o.keys = g.keys;
  o.think_us = 1'000;
  o.give_up_ppm = 0;
  o.crash_all_ms = g.restarts ? 3'000 : 0;
  o.partition_ms = g.partitions ? 1'100 : 0;
  o.fault_mean_ms = 1'000;
  o.safety_ms = 9'000;
  o.settle_ms = 10'000;
  return o;
}

class CourseGeneric : public testing::TestWithParam<Generic> {};

TEST_P(CourseGeneric, IsLinearizable) {
  const Options options = OptionsOf(GetParam());
  ASSERT_TRUE(options.Validate().ok()) << options.Validate();
  World world(options);
  const RunResult result = world.Run();
  EXPECT_EQ(result.violation, "");
  EXPECT_FALSE(result.undecided);
  EXPECT_GE(result.operations, 2 * options.clients);
  EXPECT_GT(result.committed, 10u);
  if (!GetParam().snapshots) return;
  for (const std::unique_ptr<Node>& node : world.nodes()) {
    EXPECT_LE(node->core().Status().log_bytes, kStateBytesMax);
  }
}

constexpr Generic kGeneric[] = {
    {.name = "PutConcurrentReliable", .clients = 10, .servers = 1},
    {.name = "UnreliableNet", .clients = 1, .servers = 1, .unreliable = true},
    {.name = "Basic4B", .clients = 1, .servers = 5},
    {.name = "Concurrent4B", .clients = 5, .servers = 5},
    {.name = "Unreliable4B", .clients = 5, .servers = 5, .unreliable = true},
    {.name = "OnePartition4B", .clients = 2, .servers = 5, .unreliable = true, .partitions = true},
    {.name = "ManyPartitionsOneClient4B",
     .clients = 1,
     .servers = 5,
     .unreliable = true,
     .partitions = true},
    {.name = "ManyPartitionsManyClients4B",
     .clients = 5,
     .servers = 5,
     .unreliable = true,
     .partitions = true},
    {.name = "PersistOneClient4B",
     .clients = 1,
     .servers = 5,
     .unreliable = true,
     .restarts = true},
    {.name = "PersistConcurrent4B",
     .clients = 5,
     .servers = 5,
     .unreliable = true,
     .restarts = true},
    {.name = "PersistConcurrentUnreliable4B", .clients = 5, .servers = 5, .restarts = true},
    {.name = "PersistPartition4B",
     .clients = 5,
     .servers = 5,
     .unreliable = true,
     .restarts = true,
     .partitions = true},
    {.name = "PersistPartitionUnreliable4B",
     .clients = 5,
     .servers = 5,
     .restarts = true,
     .partitions = true},
    {.name = "PersistPartitionUnreliableLinearizable4B",
     .clients = 15,
     .servers = 7,
     .restarts = true,
     .partitions = true,
     .keys = 100},
    {.name = "SnapshotRecover4C", .clients = 1, .servers = 5, .restarts = true, .snapshots = true},
    {.name = "SnapshotRecoverManyClients4C",
     .clients = 20,
     .servers = 5,
     .restarts = true,
     .snapshots = true},
    {.name = "SnapshotUnreliable4C",
     .clients = 5,
     .servers = 5,
     .unreliable = true,
     .snapshots = true},
    {.name = "SnapshotUnreliableRecover4C",
     .clients = 5,
     .servers = 5,
     .unreliable = true,
     .restarts = true,
     .snapshots = true},
    {.name = "SnapshotUnreliableRecoverConcurrentPartition4C",
     .clients = 5,
     .servers = 5,
     .unreliable = true,
     .restarts = true,
     .partitions = true,
     .snapshots = true},
    {.name = "SnapshotUnreliableRecoverConcurrentPartitionLinearizable4C",
     .clients = 15,
     .servers = 7,
     .unreliable = true,
     .restarts = true,
     .partitions = true,
     .snapshots = true,
     .keys = 100},
};

INSTANTIATE_TEST_SUITE_P(Course, CourseGeneric, testing::ValuesIn(kGeneric),
                         [](const auto& instance) { return std::string(instance.param.name); });

/// A thousand puts one after the other take at most 33.3 ms each.
void ExpectSpeed(bool snapshots) {
  Options o = OptionsOf({.name = "Speed", .clients = 1, .servers = 3, .snapshots = snapshots});
  o.think_us = 0;
  o.read_ppm = 0;
  o.safety_ms = 33'300;
  const RunResult result = World(o).Run();
  EXPECT_EQ(result.violation, "");
  EXPECT_GE(result.operations, 1'000u);
}

TEST(CourseLab4, Speed4B) {
  ExpectSpeed(false);
}
TEST(CourseLab4, Speed4C) {
  ExpectSpeed(true);
}

}  // namespace
}  // namespace trireme::sim
