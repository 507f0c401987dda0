#include "raft/replica/unsafe_recover.h"

#include <gtest/gtest.h>

#include "raft/replica/replica_testing.h"

namespace trireme::raft {
namespace {

TEST(UnsafeRecover, OneSurvivorOfThreeGoesOn) {
  TestCluster cluster({.durable = true});
  cluster.Add(5);
  EXPECT_EQ(cluster.Sum(cluster.node(2)), 5);
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.Stop(id);
  TestNode& survivor = cluster.node(2);
  const auto plan = UnsafeRecover(survivor.disk, "log", NodeId{2}, {NodeId{2}}, true);
  ASSERT_TRUE(plan.ok()) << plan.status();
  const auto done = UnsafeRecover(survivor.disk, "log", NodeId{2}, {NodeId{2}}, false);
  ASSERT_TRUE(done.ok()) << done.status();
  ASSERT_EQ(plan->size(), 1u);
  ASSERT_EQ(done->size(), 1u);
  EXPECT_EQ(plan->front().before, done->front().before);
  EXPECT_EQ(plan->front().term, done->front().term);
  cluster.Start(2);
  EXPECT_EQ(cluster.Add(1), 6);  // alone
}

TEST(UnsafeRecover, ADryRunAndARefusalChangeNothing) {
  TestCluster cluster({.nodes = 1, .durable = true});
  cluster.Add(5);
  io::MemoryDisk& disk = cluster.node(1).disk;
  EXPECT_TRUE(absl::IsFailedPrecondition(
      UnsafeRecover(disk, "log", NodeId{1}, {NodeId{1}}, true).status()));  // it is running
  cluster.Stop(1);
  const std::uint64_t before = disk.counters().bytes_written;
  EXPECT_TRUE(UnsafeRecover(disk, "log", NodeId{1}, {NodeId{1}}, true).ok());
  EXPECT_TRUE(
      absl::IsInvalidArgument(UnsafeRecover(disk, "log", NodeId{1}, {NodeId{2}}, false).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      UnsafeRecover(disk, "log", NodeId{2}, {NodeId{2}}, false).status()));
  EXPECT_FALSE(UnsafeRecover(disk, "log", NodeId{1}, {}, false).ok());
  EXPECT_EQ(disk.counters().bytes_written, before);
}

}  // namespace
}  // namespace trireme::raft
