#include <gtest/gtest.h>

#include <future>
#include <set>

#include "fmt/format.h"
#include "raft/replica/replica_testing.h"

/// What a cluster lives through, with three hosts and more in one process.
namespace trireme::raft {
namespace {

SharedBytes One() {
  return SharedBytes::Copy("1");
}

/// Counts what becomes of many proposals.
struct Tally {
  std::atomic<int> committed{0};
  std::atomic<int> not_executed{0};
  std::atomic<int> unknown{0};
  int all() const { return committed + not_executed + unknown; }

  ProposalCallback Counting() {
    return [this](ProposalResult result) {
      if (result.state == ProposalState::kCommitted) ++committed;
      if (result.state == ProposalState::kNotExecuted) ++not_executed;
      if (result.state == ProposalState::kUnknown) ++unknown;
    };
  }
};

/// Adds ones from a thread of its own, to whoever leads, until it is destroyed.
class Load {
 public:
  explicit Load(TestCluster* cluster) : cluster_(*cluster), thread_([this] { Run(); }) {}
  ~Load() { End(); }
  void End() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::atomic<std::int64_t> committed{0};
  std::atomic<std::int64_t> unknown{0};

 private:
  void Run() {
    while (!stop_) {
      TestNode* const leader = cluster_.Leader();
      if (leader == nullptr) {
        std::this_thread::yield();
        continue;
      }
      const auto result = leader->replica->ProposeAndWait(One(), kLongTime);
      if (result.state == ProposalState::kCommitted) ++committed;
      if (result.state == ProposalState::kUnknown) ++unknown;
    }
  }
  TestCluster& cluster_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

bool Happens(Load& load, std::int64_t more) {
  const std::int64_t until = load.committed + more;
  return Eventually([&] { return load.committed >= until; });
}

class Scenario : public testing::TestWithParam<bool> {
 protected:
  TestOptions Options(std::size_t nodes = 3) { return {.nodes = nodes, .durable = GetParam()}; }
};
INSTANTIATE_TEST_SUITE_P(Stores, Scenario, testing::Bool(),
                         [](const auto& info) { return info.param ? "Durable" : "Memory"; });

TEST_P(Scenario, AThousandInFlightCommitInOrder) {
  TestCluster cluster(Options());
  TestNode& leader = cluster.AwaitLeader();
  cluster.Add(0);  // it leads for good: nothing is refused from here on
  std::mutex mutex;
  std::vector<int> sums;
  std::vector<Proposal> batch;
  for (int i = 0; i < 1000; ++i) {
    batch.push_back({One(), [&](ProposalResult result) {
                       const std::lock_guard lock(mutex);
                       sums.push_back(result.result.empty() ? -1 : std::stoi(result.result));
                     }});
  }
  leader.replica->Propose(batch);
  ASSERT_TRUE(Eventually([&] {
    const std::lock_guard lock(mutex);
    return sums.size() == 1000;
  }));
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(sums[i], i + 1);
}

TEST_P(Scenario, AFollowerRefusesAndNamesTheLeader) {
  TestCluster cluster(Options());
  cluster.Add(1);
  TestNode& leader = cluster.AwaitLeader();
  TestNode& follower = cluster.node(leader.id == NodeId{1} ? 2 : 1);
  ASSERT_TRUE(Eventually([&] { return follower.replica->leader() == leader.id; }));
  const ProposalResult result = follower.replica->ProposeAndWait(One(), kLongTime);
  EXPECT_EQ(result.state, ProposalState::kNotExecuted);
  EXPECT_TRUE(absl::IsUnavailable(result.status)) << result.status;
  EXPECT_EQ(result.leader, leader.id);
}

TEST_P(Scenario, AFollowerFarBehindGetsASnapshot) {
  TestOptions options = Options();
  options.group = [](GroupOptions& group) {
    group.snapshot_entries = 50;
    group.config.snapshot_chunk_bytes_max = 1000;
  };
  TestCluster cluster(options);
  cluster.Add(1);
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.node(id).machine->snapshot_pad_bytes = 10'000;
  TestNode& leader = cluster.AwaitLeader();
  TestNode& behind = cluster.node(leader.id == NodeId{1} ? 2 : 1);
  cluster.network().Isolate(behind.id);
  for (int i = 0; i < 200; ++i) cluster.Add(1);
  ASSERT_TRUE(Eventually([&] {
    return leader.replica->Status().snapshot.index > behind.replica->Status().last.index + 20;
  }));
  cluster.network().Heal();
  EXPECT_EQ(cluster.Sum(behind), 201);
  EXPECT_GE(behind.machine->restored, 1u);
  // What it was sent survives its restart.
  const std::uint64_t id = behind.id.value;
  cluster.Stop(id);
  cluster.Start(id);
  EXPECT_EQ(cluster.Sum(cluster.node(id)), 201);
  EXPECT_GE(cluster.node(id).machine->restored, 1u);
}

TEST_P(Scenario, ASnapshotOnDemandShortensTheNextStart) {
  TestOptions options = Options(1);
  options.group = [](GroupOptions& group) { group.trailing_entries = 0; };
  TestCluster cluster(options);
  for (int i = 0; i < 30; ++i) cluster.Add(1);
  std::atomic<std::uint64_t> at{0};
  cluster.node(1).replica->TakeSnapshot([&](absl::StatusOr<Index> taken) {
    ASSERT_TRUE(taken.ok()) << taken.status();
    at = taken->value;
  });
  ASSERT_TRUE(Eventually([&] { return at > 0; }));
  cluster.Add(1);
  cluster.Stop(1);
  cluster.Start(1);
  EXPECT_EQ(cluster.Sum(cluster.node(1)), 31);
  EXPECT_EQ(cluster.node(1).machine->restored, 1u);
  EXPECT_EQ(cluster.node(1).machine->applied, 1u);
}

TEST_P(Scenario, WhatAnIsolatedLeaderTookIsNotExecuted) {
  TestCluster cluster(Options());
  cluster.Add(1);
  TestNode& old_leader = cluster.AwaitLeader();
  cluster.network().Isolate(old_leader.id);
  Tally tally;
  for (int i = 0; i < 10; ++i) old_leader.replica->Propose(One(), tally.Counting());
  ASSERT_TRUE(Eventually([&] {
    for (std::uint64_t id = 1; id <= 3; ++id) {
      if (NodeId{id} != old_leader.id && cluster.node(id).replica->leads()) return true;
    }
    return false;
  }));
  ASSERT_TRUE(Eventually([&] { return !old_leader.replica->leads(); }));
  EXPECT_EQ(cluster.Add(1), 2);
  cluster.network().Heal();
  ASSERT_TRUE(Eventually([&] { return tally.all() == 10; }));
  EXPECT_EQ(tally.not_executed, 10);
  EXPECT_EQ(cluster.Sum(old_leader), 2);
}

TEST_P(Scenario, StopAnswersWhatIsOutstanding) {
  TestCluster cluster(Options());
  cluster.Add(1);
  TestNode& leader = cluster.AwaitLeader();
  cluster.network().Isolate(leader.id);
  Tally tally;
  for (int i = 0; i < 100; ++i) leader.replica->Propose(One(), tally.Counting());
  std::atomic<int> reads{0};
  leader.replica->Query("", [&](absl::StatusOr<std::string> answer) {
    EXPECT_FALSE(answer.ok());
    ++reads;
  });
  Replica* const replica = leader.replica;
  leader.host->Stop();
  EXPECT_EQ(tally.all(), 100);
  EXPECT_EQ(tally.committed, 0);
  EXPECT_EQ(reads, 1);
  // And refuses what comes later.
  replica->Propose(One(), tally.Counting());
  EXPECT_EQ(tally.all(), 101);
  EXPECT_GE(tally.not_executed, 1);
}

TEST_P(Scenario, LeadershipIsHandedOver) {
  TestCluster cluster(Options());
  cluster.Add(1);
  Load load(&cluster);
  ASSERT_TRUE(Happens(load, 5));
  for (std::uint64_t id = 1; id <= 3; ++id) {
    ASSERT_TRUE(Eventually([&] {
      if (cluster.node(id).replica->leads()) return true;
      TestNode* const leader = cluster.Leader();
      if (leader != nullptr) leader->replica->Transfer(NodeId{id}).IgnoreError();
      return false;
    }));
    ASSERT_TRUE(Happens(load, 5));
  }
  load.End();
  EXPECT_EQ(load.unknown, 0);
  EXPECT_EQ(cluster.Sum(cluster.AwaitLeader()), 1 + load.committed);
}

TEST_P(Scenario, MembersChangeUnderLoad) {
  TestCluster cluster(Options());
  cluster.Add(1);
  Load load(&cluster);
  ASSERT_TRUE(Happens(load, 5));
  cluster.Start(NodeId{4}, {});  // waits to be added
  cluster.Start(NodeId{5}, {});
  const auto change = [&](std::vector<Member> members) {
    return Eventually([&] {
      Replica& leader = *cluster.AwaitLeader().replica;
      // A leader that is removed may never hear that it was: another one knows.
      const ReplicaStatus status = leader.Status();
      if (status.outgoing.empty() && std::ranges::is_permutation(status.members, members))
        return true;
      std::atomic<int> state{-1};
      leader.ChangeMembers(members,
                           [&](ProposalResult result) { state = static_cast<int>(result.state); });
      Eventually([&] { return state >= 0; });
      return state == static_cast<int>(ProposalState::kCommitted);
    });
  };
  std::vector<Member> members = cluster.members();
  for (std::uint64_t id : {4, 5}) {
    members.push_back({NodeId{id}, std::to_string(id), MemberKind::kLearner});
  }
  ASSERT_TRUE(change(members));
  ASSERT_TRUE(Happens(load, 5));
  // The first two leave while the two newcomers become voters: one step, through joint consensus.
  const std::vector<Member> target = {{NodeId{3}, "3"}, {NodeId{4}, "4"}, {NodeId{5}, "5"}};
  ASSERT_TRUE(change(target));
  ASSERT_TRUE(Eventually([&] {
    TestNode* const leader = cluster.Leader();
    if (leader == nullptr || leader->id < NodeId{3}) return false;
    const ReplicaStatus status = leader->replica->Status();
    return status.outgoing.empty() && status.members.size() == 3;
  }));
  load.End();  // it may be talking to one of those that stop
  cluster.Stop(1);
  cluster.Stop(2);
  for (int i = 0; i < 20; ++i) cluster.Add(1);
  // A leader that is removed may never hear what became of its last proposal.
  EXPECT_LE(load.unknown, 2);
  const std::int64_t sum = cluster.Sum(cluster.node(3));
  EXPECT_GE(sum, 21 + load.committed);
  EXPECT_LE(sum, 21 + load.committed + load.unknown);
  for (std::uint64_t id = 4; id <= 5; ++id) EXPECT_EQ(cluster.Sum(cluster.node(id)), sum);
}

TEST_P(Scenario, AWitnessVotesAndKeepsNothing) {
  TestOptions options = Options();
  options.group = [](GroupOptions& group) { group.members[2].kind = MemberKind::kWitness; };
  TestCluster cluster(options);
  EXPECT_EQ(cluster.Add(1), 1);
  EXPECT_EQ(cluster.Sum(cluster.node(1)), 1);
  EXPECT_EQ(cluster.Sum(cluster.node(2)), 1);
  cluster.Stop(cluster.AwaitLeader().id);
  EXPECT_EQ(cluster.Add(5), 6);  // by the witness's vote
  EXPECT_EQ(cluster.node(3).machine->applied, 0u);
  EXPECT_FALSE(cluster.node(3).replica->QueryAndWait("", kLongTime).ok());
}

TEST_P(Scenario, ReadsOfAFollowerSeeWhatWasAcknowledged) {
  TestCluster cluster(Options());
  for (int i = 1; i <= 30; ++i) {
    EXPECT_EQ(cluster.Add(1), i);
    EXPECT_EQ(cluster.Sum(cluster.node(1 + i % 3)), i);
  }
}

/// The state machine is read by the threads that ask, beside Apply.
TEST_P(Scenario, ABarrierLetsTheCallersReadThemselves) {
  TestCluster cluster(Options());
  cluster.Add(1);
  std::atomic<std::int64_t> acknowledged{1};
  std::vector<std::thread> readers;
  std::atomic<int> stale{0};
  std::atomic<int> granted{0};
  for (std::uint64_t id = 1; id <= 3; ++id) {
    readers.emplace_back([&, &node = cluster.node(id)] {
      while (acknowledged < 100) {
        const std::int64_t before = acknowledged;
        std::promise<absl::StatusOr<Index>> promise;
        node.replica->ReadBarrier(
            [&promise](absl::StatusOr<Index> index) { promise.set_value(std::move(index)); });
        if (!promise.get_future().get().ok()) continue;
        ++granted;
        if (node.machine->sum < before) ++stale;
      }
    });
  }
  for (int i = 2; i <= 100; ++i) acknowledged = cluster.Add(1);
  for (std::thread& reader : readers) reader.join();
  EXPECT_GT(granted, 0);
  EXPECT_EQ(stale, 0);
}

TEST_P(Scenario, ALeaseAnswersReads) {
  TestOptions options = Options();
  options.group = [](GroupOptions& group) { group.config.lease_ticks = 100; };
  TestCluster cluster(options);
  for (int i = 1; i <= 10; ++i) {
    EXPECT_EQ(cluster.Add(1), i);
    EXPECT_EQ(cluster.Sum(cluster.AwaitLeader()), i);
  }
  EXPECT_TRUE(Eventually([&] {
    TestCluster::Sum(cluster.AwaitLeader());
    return cluster.AwaitLeader().replica->Status().lease_valid;
  }));
}

TEST_P(Scenario, NodesComeAndGoUnderLoad) {
  TestOptions options = Options();
  options.group = [](GroupOptions& group) { group.snapshot_entries = 100; };
  TestCluster cluster(options);
  cluster.Add(1);
  std::int64_t committed = 1;
  std::int64_t unknown = 0;
  for (int round = 0; round < 6; ++round) {
    const std::uint64_t id = 1 + round % 3;
    cluster.Stop(id);
    Load load(&cluster);
    ASSERT_TRUE(Happens(load, 30));
    load.End();
    committed += load.committed;
    unknown += load.unknown;
    cluster.Start(id);
  }
  for (std::uint64_t id = 1; id <= 3; ++id) {
    const std::int64_t sum = cluster.Sum(cluster.node(id));
    EXPECT_GE(sum, committed);
    EXPECT_LE(sum, committed + unknown);
  }
}

TEST(Limits, AFullQueueRefusesAndSaysSo) {
  TestOptions options{.nodes = 1};
  options.host = [](HostOptions& host) { host.queued_proposals_max = 10; };
  TestCluster cluster(options);
  cluster.Add(1);
  Tally tally;
  absl::Status why;
  std::vector<Proposal> batch;
  for (int i = 0; i < 100; ++i) {
    batch.push_back({One(), [&, count = tally.Counting()](ProposalResult result) mutable {
                       if (!result.status.ok()) why = result.status;
                       count(std::move(result));
                     }});
  }
  cluster.node(1).replica->Propose(batch);  // as one: the loop cannot take any meanwhile
  ASSERT_TRUE(Eventually([&] { return tally.all() == 100; }));
  EXPECT_EQ(tally.committed, 10);
  EXPECT_EQ(tally.not_executed, 90);
  EXPECT_TRUE(absl::IsResourceExhausted(why)) << why;
}

TEST(Limits, AProposalTooLargeIsRefused) {
  TestOptions options{.nodes = 1};
  options.group = [](GroupOptions& group) { group.config.proposal_bytes_max = 100; };
  TestCluster cluster(options);
  cluster.Add(1);
  const auto result =
      cluster.node(1).replica->ProposeAndWait(SharedBytes::Own(std::string(101, '1')), kLongTime);
  EXPECT_EQ(result.state, ProposalState::kNotExecuted);
  EXPECT_TRUE(absl::IsInvalidArgument(result.status)) << result.status;
}

TEST(Disk, FullRefusesAndServesReadsAndGoesOn) {
  TestOptions options{.nodes = 1, .durable = true};
  options.group = [](GroupOptions& group) { group.snapshot_log_bytes = 0; };
  TestCluster cluster(options);
  EXPECT_EQ(cluster.Add(1), 1);
  TestNode& node = cluster.node(1);
  const std::string large = std::string(50'000, ' ') + "1";
  node.disk.SetCapacity(6u << 20);
  ProposalResult refused;
  std::int64_t sum = 1;
  Tally tally;
  ASSERT_TRUE(Eventually([&] {
    if (node.replica->Status().disk_full) return true;
    node.replica->Propose(SharedBytes::Copy(large), tally.Counting());
    return false;
  }));
  refused = node.replica->ProposeAndWait(SharedBytes::Copy(large), kLongTime);
  EXPECT_EQ(refused.state, ProposalState::kNotExecuted);
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status)) << refused.status;
  EXPECT_GE(cluster.Sum(node), sum);
  node.disk.SetCapacity(1u << 30);
  ASSERT_TRUE(Eventually([&] { return !node.replica->Status().disk_full; }));
  const std::int64_t after = cluster.Add(1);
  ASSERT_TRUE(Eventually([&] { return tally.unknown + tally.committed + tally.not_executed > 0; }));
  EXPECT_EQ(after, 2 + tally.committed);
  EXPECT_EQ(tally.unknown, 0);
}

TEST(Disk, ACompactionMakesRoom) {
  TestOptions options{.nodes = 1, .durable = true};
  options.group = [](GroupOptions& group) {
    group.snapshot_log_bytes = 0;
    group.trailing_entries = 0;
  };
  TestCluster cluster(options);
  cluster.Add(1);
  TestNode& node = cluster.node(1);
  const std::string large = std::string(50'000, ' ') + "1";
  node.disk.SetCapacity(6u << 20);
  ASSERT_TRUE(Eventually([&] {
    if (node.replica->Status().disk_full) return true;
    node.replica->Propose(SharedBytes::Copy(large), [](ProposalResult) {});
    return false;
  }));
  // One that comes before the last entries are applied may not make enough.
  ASSERT_TRUE(Eventually([&] {
    std::promise<absl::StatusOr<Index>> taken;
    node.replica->TakeSnapshot([&](absl::StatusOr<Index> at) { taken.set_value(std::move(at)); });
    const absl::StatusOr<Index> at = taken.get_future().get();
    EXPECT_TRUE(at.ok()) << at.status();
    return !node.replica->Status().disk_full;
  }));
  cluster.Add(1);
}

TEST(Disk, AFullFollowerStillVotes) {
  TestOptions options{.durable = true};
  options.group = [](GroupOptions& group) { group.snapshot_log_bytes = 0; };
  TestCluster cluster(options);
  cluster.Add(1);
  TestNode& leader = cluster.AwaitLeader();
  TestNode& full = cluster.node(leader.id == NodeId{1} ? 2 : 1);
  const std::uint64_t third = 6 - leader.id.value - full.id.value;
  full.disk.SetCapacity(6u << 20);
  const std::string large = std::string(50'000, ' ') + "1";
  ASSERT_TRUE(Eventually([&] {
    leader.replica->ProposeAndWait(SharedBytes::Copy(large), kLongTime);
    return full.replica->Status().disk_full &&
           full.host->Metrics().find("raft_log_disk_full_total 0\n") == std::string::npos;
  }));
  cluster.Stop(leader.id);
  ASSERT_TRUE(Eventually([&] { return cluster.node(third).replica->leads(); }));
}

/// What a leader's snapshot has no room for is refused, and all else goes on; it is taken when
/// there is room.
TEST(Disk, AFollowerWithoutRoomForASnapshotGoesOnAndTakesItLater) {
  TestOptions options{.durable = true};
  options.group = [](GroupOptions& group) {
    group.snapshot_log_bytes = 0;
    group.config.snapshot_chunk_bytes_max = 100'000;
  };
  TestCluster cluster(options);
  cluster.Add(1);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    cluster.node(id).machine->snapshot_pad_bytes = 1'000'000;
  }
  TestNode& leader = cluster.AwaitLeader();
  TestNode& full = cluster.node(leader.id == NodeId{1} ? 2 : 1);
  ASSERT_TRUE(Eventually([&] { return full.replica->Status().applied.value >= 2; }));
  cluster.network().Isolate(full.id);
  for (int i = 0; i < 50; ++i) cluster.Add(1);
  std::promise<absl::StatusOr<Index>> taken;
  leader.replica->TakeSnapshot([&](absl::StatusOr<Index> at) { taken.set_value(std::move(at)); });
  ASSERT_TRUE(taken.get_future().get().ok());
  // The log's segments are there, but nothing beyond half of the snapshot.
  std::uint64_t used = 0;
  const auto files = full.disk.List("log");
  ASSERT_TRUE(files.ok());
  for (const io::DiskEntry& file : *files) used += file.size_bytes;
  full.disk.SetCapacity(used + 500'000);
  cluster.network().Heal();

  ASSERT_TRUE(Eventually(
      [&] { return MetricOf(*full.host, "trireme_raft_snapshots_refused_total") >= 2; }));
  EXPECT_TRUE(full.replica->Status().failure.ok()) << full.replica->Status().failure;
  EXPECT_EQ(full.machine->sum, 1);
  EXPECT_EQ(full.machine->restored, 0u);
  const std::uint64_t third = 6 - leader.id.value - full.id.value;
  cluster.Stop(third);  // so that its vote is needed
  ASSERT_TRUE(Eventually([&] { return full.replica->leader() == cluster.AwaitLeader().id; }));

  full.disk.SetCapacity(1u << 30);
  EXPECT_EQ(cluster.Sum(full), 51);
  EXPECT_EQ(full.machine->restored, 1u);
}

TEST(Disk, AFailedSyncStopsTheHostAndSaysWhy) {
  TestOptions options{.nodes = 1, .durable = true};
  std::atomic<int> fatal{0};
  options.host = [&](HostOptions& host) {
    host.on_fatal = [&](const absl::Status& why) {
      EXPECT_FALSE(why.ok());
      ++fatal;
    };
  };
  TestCluster cluster(options);
  cluster.Add(1);
  TestNode& node = cluster.node(1);
  node.disk.FailNextSync();
  const ProposalResult result = node.replica->ProposeAndWait(One(), kLongTime);
  EXPECT_EQ(result.state, ProposalState::kUnknown);
  EXPECT_FALSE(result.status.ok());
  ASSERT_TRUE(Eventually([&] { return fatal == 1; }));
  EXPECT_FALSE(node.replica->Status().failure.ok());
  const ProposalResult later = node.replica->ProposeAndWait(One(), kLongTime);
  EXPECT_EQ(later.state, ProposalState::kNotExecuted);
}

TEST(Waiting, OnTheApplyThreadIsRefused) {
  TestCluster cluster({.nodes = 1});
  cluster.Add(1);
  Replica* const replica = cluster.node(1).replica;
  std::atomic<int> state{-1};
  replica->Propose(One(), [&](ProposalResult) {
    const ProposalResult inner = replica->ProposeAndWait(One(), kLongTime);
    EXPECT_TRUE(absl::IsFailedPrecondition(inner.status)) << inner.status;
    state = static_cast<int>(inner.state);
  });
  ASSERT_TRUE(Eventually([&] { return state >= 0; }));
  EXPECT_EQ(state, static_cast<int>(ProposalState::kNotExecuted));
}

}  // namespace
}  // namespace trireme::raft
