#include <gtest/gtest.h>

#include "raft/replica/replica_testing.h"

namespace trireme::raft {
namespace {

class Replicated : public testing::TestWithParam<bool> {
 protected:
  TestOptions Options(std::size_t nodes) { return {.nodes = nodes, .durable = GetParam()}; }
};
INSTANTIATE_TEST_SUITE_P(Stores, Replicated, testing::Bool(),
                         [](const auto& info) { return info.param ? "Durable" : "Memory"; });

TEST_P(Replicated, OneNodeCommitsAlone) {
  TestCluster cluster(Options(1));
  EXPECT_EQ(cluster.Add(5), 5);
  EXPECT_EQ(cluster.Add(7), 12);
  EXPECT_EQ(cluster.Sum(cluster.node(1)), 12);
}

TEST_P(Replicated, AllApplyWhatOneProposes) {
  TestCluster cluster(Options(3));
  for (int i = 1; i <= 20; ++i) EXPECT_EQ(cluster.Add(i), i * (i + 1) / 2);
  for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(cluster.Sum(cluster.node(id)), 210);
}

TEST_P(Replicated, TheStateSurvivesARestartOfAll) {
  TestCluster cluster(Options(3));
  for (int i = 1; i <= 10; ++i) cluster.Add(i);
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.Stop(id);
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.Start(id);
  EXPECT_EQ(cluster.Add(1), 56);
  for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(cluster.Sum(cluster.node(id)), 56);
}

}  // namespace
}  // namespace trireme::raft
