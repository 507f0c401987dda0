#include <gtest/gtest.h>

#include "raft/replica/forward_frame.h"
#include "raft/replica/frame.h"
#include "raft/replica/replica_testing.h"

/// Proposals made where nobody leads.
namespace trireme::raft {
namespace {

SharedBytes One() {
  return SharedBytes::Copy("1");
}

TestNode& AFollower(TestCluster& cluster) {
  TestNode& leader = cluster.AwaitLeader();
  TestNode& follower = cluster.node(leader.id == NodeId{1} ? 2 : 1);
  EXPECT_TRUE(Eventually([&] { return follower.replica->leader() == leader.id; }));
  return follower;
}

/// Adds ones at one member until it is destroyed.
class LoadAt {
 public:
  LoadAt(TestCluster* cluster, std::uint64_t id)
      : node_(cluster->node(id)), thread_([this] { Run(); }) {}
  ~LoadAt() { End(); }
  void End() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::atomic<std::int64_t> committed{0};
  std::atomic<std::int64_t> unknown{0};

 private:
  void Run() {
    while (!stop_) {
      const auto result = node_.replica->ProposeAndWait(One(), kLongTime);
      if (result.state == ProposalState::kCommitted) {
        ++committed;
        // The result is this member's own, and here it has been applied.
        EXPECT_LE(std::stoull(result.result), node_.machine->applied);
      } else if (result.state == ProposalState::kUnknown) {
        ++unknown;
      } else {
        std::this_thread::yield();
      }
    }
  }
  TestNode& node_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

class Forwarding : public testing::TestWithParam<bool> {
 protected:
  TestOptions Options(std::uint32_t timeout_ticks = 100'000) {
    TestOptions options{.nodes = 3, .durable = GetParam()};
    options.group = [timeout_ticks](GroupOptions& group) {
      group.forward_proposals = true;
      group.forward_timeout_ticks = timeout_ticks;
    };
    return options;
  }
  static void ExpectSum(TestCluster& cluster, std::int64_t low, std::int64_t high) {
    const std::int64_t sum = cluster.Sum(cluster.node(1));
    EXPECT_GE(sum, low);
    EXPECT_LE(sum, high);
    EXPECT_EQ(cluster.Sum(cluster.node(2)), sum);
    EXPECT_EQ(cluster.Sum(cluster.node(3)), sum);
  }
};
INSTANTIATE_TEST_SUITE_P(Stores, Forwarding, testing::Bool(),
                         [](const auto& info) { return info.param ? "Durable" : "Memory"; });

TEST_P(Forwarding, AFollowersProposalsCommitAndAreSeenThere) {
  TestCluster cluster(Options());
  cluster.Add(1);
  TestNode& follower = AFollower(cluster);
  for (int i = 2; i <= 30; ++i) {
    std::atomic<int> seen{0};
    follower.replica->Propose(One(), [&](const ProposalResult& result) {
      ASSERT_EQ(result.state, ProposalState::kCommitted) << result.status;
      EXPECT_EQ(result.result, std::to_string(i));
      follower.replica->QueryLocal("", [&](absl::StatusOr<std::string> sum) {
        ASSERT_TRUE(sum.ok());
        seen = std::stoi(*sum);
      });
    });
    ASSERT_TRUE(Eventually([&] { return seen == i; }));
  }
}

TEST_P(Forwarding, ThousandsAtOnceCommitInTheirOrder) {
  // What is on its way when the leader changes has no known outcome, and on a busy machine one may.
  for (int attempt = 0; attempt < 20; ++attempt) {
    TestCluster cluster(Options());
    cluster.Add(0);
    TestNode& follower = AFollower(cluster);
    const Term term = follower.replica->Status().term;
    std::mutex mutex;
    std::vector<int> sums;
    std::vector<Proposal> batch;
    for (int i = 0; i < 3000; ++i) {
      batch.push_back({One(), [&](ProposalResult result) {
                         const std::lock_guard lock(mutex);
                         sums.push_back(result.result.empty() ? -1 : std::stoi(result.result));
                       }});
    }
    follower.replica->Propose(batch);
    ASSERT_TRUE(Eventually([&] {
      const std::lock_guard lock(mutex);
      return sums.size() == 3000;
    }));
    if (follower.replica->Status().term != term) continue;
    for (int i = 0; i < 3000; ++i) ASSERT_EQ(sums[i], i + 1);
    return;
  }
  FAIL() << "leaders come and go all the time";
}

TEST_P(Forwarding, LeadersComeAndGoUnderLoadOfAll) {
  TestCluster cluster(Options(400));
  cluster.Add(1);
  std::int64_t committed = 1;
  std::int64_t unknown = 0;
  for (int round = 0; round < 4; ++round) {
    const std::uint64_t down = cluster.AwaitLeader().id.value;
    LoadAt one(&cluster, 1 + down % 3);
    LoadAt other(&cluster, 1 + (down + 1) % 3);
    ASSERT_TRUE(Eventually([&] { return one.committed > 5 && other.committed > 5; }));
    cluster.Stop(down);
    const std::int64_t before_one = one.committed;
    const std::int64_t before_other = other.committed;
    ASSERT_TRUE(Eventually(
        [&] { return one.committed > before_one + 20 && other.committed > before_other + 20; }));
    one.End();
    other.End();
    committed += one.committed + other.committed;
    unknown += one.unknown + other.unknown;
    cluster.Start(down);
  }
  ExpectSum(cluster, committed, committed + unknown);
}

TEST_P(Forwarding, LeadershipHandedOverLosesNothing) {
  TestCluster cluster(Options());
  cluster.Add(1);
  LoadAt one(&cluster, 1);
  LoadAt two(&cluster, 2);
  LoadAt three(&cluster, 3);
  for (std::uint64_t id : {1, 2, 3, 1}) {
    ASSERT_TRUE(Eventually([&] {
      if (cluster.node(id).replica->leads()) return true;
      TestNode* const leader = cluster.Leader();
      if (leader != nullptr) leader->replica->Transfer(NodeId{id}).IgnoreError();
      return false;
    }));
    const std::int64_t before = one.committed + two.committed + three.committed;
    ASSERT_TRUE(
        Eventually([&] { return one.committed + two.committed + three.committed > before + 50; }));
  }
  for (LoadAt* load : {&one, &two, &three}) load->End();
  const std::int64_t committed = 1 + one.committed + two.committed + three.committed;
  ExpectSum(cluster, committed, committed + one.unknown + two.unknown + three.unknown);
}

TEST_P(Forwarding, FramesThatComeTwiceExecuteOnce) {
  TestCluster cluster(Options());
  cluster.Add(1);
  cluster.network().Repeat();
  TestNode& follower = AFollower(cluster);
  LoadAt load(&cluster, follower.id.value);
  ASSERT_TRUE(Eventually([&] { return load.committed >= 50; }));
  load.End();
  EXPECT_EQ(load.unknown, 0);
  ExpectSum(cluster, 1 + load.committed, 1 + load.committed);
}

TEST_P(Forwarding, ALostAnswerIsUnknownAndExecutedOnce) {
  TestCluster cluster(Options(20));
  cluster.Add(1);
  int unknown = 0;
  ASSERT_TRUE(Eventually([&] {
    TestNode& follower = AFollower(cluster);
    cluster.network().Cut(follower.replica->leader(), follower.id);
    const ProposalResult result = follower.replica->ProposeAndWait(One(), kLongTime);
    cluster.network().Heal();
    EXPECT_NE(result.state, ProposalState::kCommitted);
    EXPECT_TRUE(absl::IsUnavailable(result.status)) << result.status;
    unknown += result.state == ProposalState::kUnknown ? 1 : 0;
    return unknown > 0;  // otherwise it had no leader any more when it was asked
  }));
  ExpectSum(cluster, 1, 1 + unknown);
}

TEST_P(Forwarding, WhatNeverArrivedIsUnknownAndNotExecuted) {
  TestCluster cluster(Options(20));
  cluster.Add(1);
  TestNode& follower = AFollower(cluster);
  cluster.network().Isolate(follower.id);
  const ProposalResult result = follower.replica->ProposeAndWait(One(), kLongTime);
  EXPECT_NE(result.state, ProposalState::kCommitted);
  cluster.network().Heal();
  EXPECT_EQ(cluster.Add(1), 2);
}

TEST_P(Forwarding, WhatALeaderTookAndLostIsNotExecuted) {
  TestCluster cluster(Options());
  cluster.Add(1);
  TestNode& follower = AFollower(cluster);
  TestNode& leader = cluster.AwaitLeader();
  const std::uint64_t third = 6 - leader.id.value - follower.id.value;
  // The leader hears from the follower; neither its answer nor its appends reach anybody.
  const Index before = leader.replica->Status().last.index;
  cluster.network().Cut(leader.id, NodeId{third});
  cluster.network().Cut(leader.id, follower.id);
  std::atomic<int> state{-1};
  follower.replica->Propose(
      One(), [&](const ProposalResult& result) { state = static_cast<int>(result.state); });
  ASSERT_TRUE(
      Eventually([&] { return state >= 0 || leader.replica->Status().last.index > before; }));
  cluster.network().Isolate(leader.id);
  ASSERT_TRUE(Eventually(
      [&] { return follower.replica->leads() || cluster.node(third).replica->leads(); }));
  // It gives up soon after it knows another leader: nobody can say more.
  ASSERT_TRUE(Eventually([&] { return state >= 0; }));
  EXPECT_NE(state, static_cast<int>(ProposalState::kCommitted));
  ASSERT_TRUE(Eventually([&] { return !leader.replica->leads(); }));
  EXPECT_EQ(cluster.Add(1), 2);
  cluster.network().Heal();
  ExpectSum(cluster, 2, 2);
}

TEST_P(Forwarding, ALeadersRefusalComesBackWithItsReason) {
  TestOptions options = Options();
  options.group = [](GroupOptions& group) {
    group.forward_proposals = true;
    group.config.uncommitted_bytes_max = 100;
  };
  TestCluster cluster(options);
  cluster.Add(1);
  TestNode& follower = AFollower(cluster);
  std::atomic<int> committed{0};
  std::atomic<int> refused{0};
  std::vector<Proposal> batch;
  for (int i = 0; i < 10; ++i) {
    batch.push_back({SharedBytes::Own(std::string(60, ' ') + "1"), [&](ProposalResult result) {
                       if (result.state == ProposalState::kCommitted) ++committed;
                       if (result.state != ProposalState::kNotExecuted) return;
                       EXPECT_TRUE(absl::IsResourceExhausted(result.status)) << result.status;
                       ++refused;
                     }});
  }
  follower.replica->Propose(batch);
  ASSERT_TRUE(Eventually([&] { return committed + refused == 10; }));
  EXPECT_EQ(committed, 1);
  EXPECT_EQ(cluster.Sum(follower), 2);
}

TEST_P(Forwarding, WithoutALeaderItIsNotExecuted) {
  TestCluster cluster(Options());
  cluster.Add(1);
  TestNode& follower = AFollower(cluster);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    if (NodeId{id} != follower.id) cluster.Stop(id);
  }
  // What is proposed before the follower knows is unknown, because it was sent.
  ProposalResult result;
  ASSERT_TRUE(Eventually([&] {
    result = follower.replica->ProposeAndWait(One(), kLongTime);
    return result.leader == kNobody;
  }));
  EXPECT_EQ(result.state, ProposalState::kNotExecuted);
  EXPECT_TRUE(absl::IsUnavailable(result.status)) << result.status;
}

TEST_P(Forwarding, StopAnswersWhatIsOnItsWay) {
  TestCluster cluster(Options());
  cluster.Add(1);
  TestNode& follower = AFollower(cluster);
  cluster.network().Isolate(follower.id);
  std::atomic<int> ended{0};
  std::atomic<int> committed{0};
  for (int i = 0; i < 20; ++i) {
    follower.replica->Propose(One(), [&](const ProposalResult& result) {
      if (result.state == ProposalState::kCommitted) ++committed;
      ++ended;
    });
  }
  follower.host->Stop();
  EXPECT_EQ(ended, 20);
  EXPECT_EQ(committed, 0);
}

/// A node that says what it likes, and keeps the answers.
class RawPeer final : private Transport::Receiver {
 public:
  RawPeer(TestCluster* cluster, NodeId self, NodeId to)
      : to_(to), transport_(cluster->network().MakeTransport(self)) {
    EXPECT_TRUE(transport_->Start(this).ok());
    EXPECT_TRUE(transport_->SetPeer(to, std::to_string(to.value)).ok());
    EXPECT_TRUE(cluster->node(to.value).host->SetPeer(self, std::to_string(self.value)).ok());
  }
  ~RawPeer() override { transport_->Stop(); }

  void Send(const Forward& forward) {
    SectionWriter writer;
    writer.AddSection(GroupId{1}, EncodeForwardHead(forward), forward.proposals);
    EXPECT_TRUE(transport_->Send(to_, writer.Take()));
  }
  std::optional<ForwardAnswer> Await() {
    EXPECT_TRUE(Eventually([&] {
      const std::lock_guard lock(mutex_);
      return answer_.has_value();
    }));
    const std::lock_guard lock(mutex_);
    return std::exchange(answer_, std::nullopt);
  }

 private:
  void OnFrame(NodeId, SharedBytes frame) override {
    SectionReader reader(std::move(frame));
    GroupId group;
    SharedBytes section;
    while (reader.Next(&group, &section)) {
      const std::lock_guard lock(mutex_);
      if (auto answer = DecodeForwardAnswer(section)) answer_ = std::move(answer);
    }
  }
  void OnUnreachable(NodeId) override {}

  const NodeId to_;
  std::mutex mutex_;
  std::optional<ForwardAnswer> answer_;  // Guarded by mutex_.
  std::unique_ptr<Transport> transport_;
};

TEST(ForwardingPeers, AStrangersProposalsAreRefused) {
  TestCluster cluster({.nodes = 1});
  cluster.Add(1);
  RawPeer stranger(&cluster, NodeId{9}, NodeId{1});
  stranger.Send({5, 1, {One(), One()}});
  const auto answer = stranger.Await();
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->runs.size(), 1u);
  EXPECT_EQ(answer->runs[0].count, 2u);
  EXPECT_TRUE(absl::IsFailedPrecondition(answer->runs[0].refusal)) << answer->runs[0].refusal;
  EXPECT_EQ(cluster.Add(1), 2);
}

TEST(ForwardingPeers, ALeaderTakesANumberOnce) {
  TestCluster cluster({.nodes = 1});
  cluster.Add(1);
  TestNode& leader = cluster.node(1);
  std::atomic<int> state{-1};
  leader.replica->ChangeMembers(
      {{NodeId{1}, "1"}, {NodeId{9}, "9", MemberKind::kLearner}},
      [&](const ProposalResult& result) { state = static_cast<int>(result.state); });
  ASSERT_TRUE(Eventually([&] { return state >= 0; }));
  RawPeer learner(&cluster, NodeId{9}, NodeId{1});
  for (const std::uint64_t number : {1, 1, 1, 2, 1, 3}) learner.Send({5, number, {One()}});
  ASSERT_TRUE(Eventually([&] {
    const auto answer = learner.Await();
    return answer && answer->number == 3;
  }));
  EXPECT_EQ(cluster.Add(1), 5);
  EXPECT_NE(leader.host->Metrics().find("trireme_raft_forwards_repeated_total 3\n"),
            std::string::npos);
}

}  // namespace
}  // namespace trireme::raft
