#include <gtest/gtest.h>

#include <set>

#include "raft/replica/replica_testing.h"

namespace trireme::raft {
namespace {

/// What each node was told.
class Told {
 public:
  void Add(NodeId node, const Leadership& told) {
    const std::lock_guard lock(mutex_);
    Leadership& latest = latest_[node];
    EXPECT_GE(told.term, latest.term);
    EXPECT_NE(told, latest);
    EXPECT_TRUE(!told.leads || told.leader == node);
    EXPECT_TRUE(!told.leads || told.role == RoleName::kLeader);
    if (told.role == RoleName::kCandidate) candidates_.insert(node);
    latest = told;
  }
  Leadership Of(NodeId node) {
    const std::lock_guard lock(mutex_);
    return latest_[node];
  }
  std::set<NodeId> candidates() {
    const std::lock_guard lock(mutex_);
    return candidates_;
  }

 private:
  std::mutex mutex_;
  std::set<NodeId> candidates_;          // Guarded by mutex_.
  std::map<NodeId, Leadership> latest_;  // Guarded by mutex_.
};

TEST(Leadership, IsToldWheneverItChanges) {
  Told told;
  TestOptions options{.nodes = 3};
  options.group_of = [&](NodeId node, GroupOptions& group) {
    group.on_leadership = [&told, node](const Leadership& now) { told.Add(node, now); };
  };
  TestCluster cluster(options);
  cluster.Add(1);
  for (std::uint64_t id : {1, 2, 3, 1}) {
    ASSERT_TRUE(Eventually([&] {
      if (told.Of(NodeId{id}).leads) return true;
      TestNode* const leader = cluster.Leader();
      if (leader != nullptr) leader->replica->Transfer(NodeId{id}).IgnoreError();
      return false;
    }));
    ASSERT_TRUE(Eventually([&] {  // all agree, until the next election
      const Leadership one = told.Of(NodeId{1});
      const auto same = [&](std::uint64_t other) {
        const Leadership seen = told.Of(NodeId{other});
        return seen.leader == one.leader && seen.term == one.term && seen.leader != kNobody;
      };
      return same(2) && same(3);
    }));
  }
  // Whoever led stood for election before.
  EXPECT_EQ(told.candidates(), (std::set<NodeId>{NodeId{1}, NodeId{2}, NodeId{3}}));
  ASSERT_TRUE(Eventually([&] {
    Replica* const replica = cluster.node(2).replica;
    const Leadership now = told.Of(NodeId{2});
    return replica->term() == now.term && replica->leader() == now.leader;
  }));
}

TEST(Leadership, StatusNamesMembersWithTheirAddresses) {
  TestCluster cluster;
  cluster.Add(1);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    ASSERT_TRUE(Eventually(
        [&] { return cluster.node(id).replica->Status().members == cluster.members(); }));
  }
}

TEST(Leadership, EndsWhenTheGroupFails) {
  Told told;
  TestOptions options{.nodes = 1, .durable = true};
  options.group_of = [&](NodeId node, GroupOptions& group) {
    group.on_leadership = [&told, node](const Leadership& now) { told.Add(node, now); };
  };
  TestCluster cluster(options);
  cluster.Add(1);
  ASSERT_TRUE(Eventually([&] { return told.Of(NodeId{1}).leads; }));
  cluster.node(1).disk.FailNextSync();
  cluster.node(1).replica->Propose(SharedBytes::Copy("1"), nullptr);
  ASSERT_TRUE(Eventually([&] { return !told.Of(NodeId{1}).leads; }));
}

}  // namespace
}  // namespace trireme::raft
