#include <algorithm>
#include <string>
#include <vector>

#include "sim/sharded/test_course.h"

/// The scenarios of MIT 6.5840's lab 5A, by their names: configurations that change one after the
/// other.
namespace trireme::sim::sharded {
namespace {

std::size_t Owned(const ShardConfig& config, std::uint64_t group) {
  return static_cast<std::size_t>(
      std::count(config.owners.begin(), config.owners.end(), Group(group)));
}

TEST(CourseLab5, InitQuery5A) {
  Course c({.groups = 3, .first = 3});
  const ShardConfig first = c.Query();
  EXPECT_EQ(first.number, 1u);
  for (const std::uint64_t group : {1, 2, 3}) {
    EXPECT_EQ(Owned(first, group), kShards / 3) << group;
    EXPECT_EQ(first.groups.at(Group(group)), c.fleet().servers(Group(group)));
  }
}

TEST(CourseLab5, StaticOneShardGroup5A) {
  Course c({.groups = 1});
  c.PutAll();
  c.CheckAll();
  c.fleet().Leader(kFirst)->Crash(c.random());
  c.CheckAll();
}

TEST(CourseLab5, JoinBasic5A) {
  Course c({.groups = 2});
  c.PutAll();
  const std::uint64_t number = c.Query().number;
  c.Join(2);
  EXPECT_EQ(c.Query().number, number + 1);
  c.CheckAll();
  for (const std::uint64_t group : {1, 2}) {
    c.Shutdown(group);
    EXPECT_LT(c.GetsDone(c.Keys(), 2 * kSecond), kKeys) << "all without group " << group;
    c.Start(group);
    c.CheckAll();
  }
}

/// Of its servers, whose last is the largest.
std::size_t LargestSnapshot(Course& c, std::uint64_t group) {
  std::size_t largest = 0;
  for (const std::unique_ptr<Node>& node : c.fleet().nodes(Group(group))) {
    const raft::Index index = node->storage().SnapshotIndex();
    if (index == raft::Index{}) continue;
    largest = std::max(largest, node->storage().ReadSnapshot(index, 0, UINT64_MAX)->size());
  }
  return largest;
}

TEST(CourseLab5, DeleteBasic5A) {
  constexpr std::size_t kLimit = 10'000;
  Course c({.groups = 2, .snapshot_log_bytes = kLimit});
  c.PutAll(1'000);
  const std::size_t before = LargestSnapshot(c, 1);
  EXPECT_GE(before, kKeys * 1'000 - kLimit);
  c.Join(2);
  for (int i = 0; i < 5; ++i) c.CheckAll();
  EXPECT_GE(LargestSnapshot(c, 2), 1'000u);
  EXPECT_LE(LargestSnapshot(c, 1) + LargestSnapshot(c, 2), before + kLimit);
}

TEST(CourseLab5, JoinLeaveBasic5A) {
  Course c({.groups = 2});
  c.PutAll();
  c.Join(2);
  c.CheckAll();
  c.Leave(1);
  c.CheckAll();
  c.Shutdown(1);
  c.CheckAll();
  c.Start(1);
  c.Join(1);
  c.CheckAll();
}

constexpr std::uint64_t kJoining = 8;  ///< Groups 2 to 9.

void ManyJoinLeave(bool unreliable) {
  Course c({.groups = 1 + kJoining, .unreliable = unreliable});
  c.PutAll();
  for (std::uint64_t group = 2; group <= 1 + kJoining; ++group) c.Join(group);
  EXPECT_EQ(c.Query().groups.size(), 1 + kJoining);
  c.CheckAll();
  c.Shutdown(3);
  c.RunFor(kSecond);
  c.Start(3);
  c.CheckAll();
  for (std::uint64_t group = 2; group <= 1 + kJoining; ++group) c.Leave(group);
  EXPECT_EQ(Owned(c.Query(), 1), kShards);
  c.CheckAll();
}
TEST(CourseLab5, ManyJoinLeaveReliable5A) {
  ManyJoinLeave(false);
}
TEST(CourseLab5, ManyJoinLeaveUnreliable5A) {
  ManyJoinLeave(true);
}

TEST(CourseLab5, Shutdown5A) {
  Course c({.groups = 3});
  c.Join(2);
  c.Join(3);
  c.PutAll();
  for (const std::uint64_t group : {1, 2, 3}) c.Shutdown(group);
  c.RunFor(kSecond);
  for (const std::uint64_t group : {1, 2, 3}) c.Start(group);
  c.CheckAll();
}

TEST(CourseLab5, ProgressShutdown5A) {
  Course c({.groups = 5});
  for (const std::uint64_t group : {2, 3, 4, 5}) c.Join(group);
  c.PutAll();
  const ShardConfig config = c.Query();
  std::vector<std::string> alive = c.Keys();
  std::erase_if(alive, [&](const std::string& key) {
    const GroupId owner = config.owners[ShardOf(key)];
    return owner == Group(2) || owner == Group(4);
  });
  EXPECT_LT(alive.size(), kKeys);
  c.Shutdown(2);
  c.Shutdown(4);
  EXPECT_EQ(c.GetsDone(alive, 2 * kSecond), alive.size());
  c.Start(2);
  c.Start(4);
  c.CheckAll();
}

/// Keys of shards that stay where they are however often group 4 joins and leaves, in groups from
/// which others move.
std::vector<std::string> KeysThatStay(Course& c, ShardConfig config) {
  std::vector<std::string> keys = c.Keys();
  for (int i = 0; i < 100; ++i) {
    const bool join = !config.groups.contains(Group(4));
    const Controller::Change change = join ? c.Joining(4) : c.Leaving(4);
    const ShardConfig next = *config.With(change.join, change.leave);
    std::erase_if(keys, [&](const std::string& key) {
      return config.owners[ShardOf(key)] != next.owners[ShardOf(key)];
    });
    config = next;
  }
  return keys;
}

TEST(CourseLab5, ProgressJoin5A) {
  Course c({.groups = 4});
  c.Join(2);
  c.Join(3);
  c.PutAll();
  const ShardConfig config = c.Query();
  const std::vector<std::string> keys = KeysThatStay(c, config);
  ASSERT_FALSE(keys.empty());
  ClerkAgent& clerk = c.AddClerk();
  ControllerAgent& controller = c.AddController();
  std::uint64_t gets = 0;
  bool in = false;
  const Micros end = c.now() + 4 * kSecond;
  while (c.now() < end) {
    if (controller.finished()) {
      controller.Begin(in ? c.Leaving(4) : c.Joining(4));
      in = !in;
    }
    if (clerk.idle()) clerk.Get(keys[gets++ % keys.size()]);
    if (!c.RunUntil([&] { return clerk.idle() || controller.finished(); }, end - c.now())) break;
  }
  EXPECT_GT(gets, 100u) << "the last may still be open";
  EXPECT_TRUE(c.RunUntil([&] { return controller.finished(); }, kTest));
  EXPECT_GE(c.Query().number, config.number + 4);
  c.CheckAll();
}

void ConcurrentClerks(std::size_t clerks, bool unreliable) {
  Course c({.groups = 1 + kJoining, .unreliable = unreliable});
  const std::vector<ClerkAgent*> working = c.Work(clerks);
  const Micros end = c.now() + 20 * kSecond;
  for (std::uint64_t group = 2; group <= 1 + kJoining; ++group) c.Join(group);
  for (std::uint64_t group = 2; group <= 1 + kJoining; ++group) c.Leave(group);
  if (c.now() < end) c.RunFor(end - c.now());
  c.Stop(working);
}
TEST(CourseLab5, OneConcurrentClerkReliable5A) {
  ConcurrentClerks(1, false);
}
TEST(CourseLab5, ManyConcurrentClerkReliable5A) {
  ConcurrentClerks(10, false);
}
TEST(CourseLab5, OneConcurrentClerkUnreliable5A) {
  ConcurrentClerks(1, true);
}
TEST(CourseLab5, ManyConcurrentClerkUnreliable5A) {
  ConcurrentClerks(10, true);
}

}  // namespace
}  // namespace trireme::sim::sharded
