#include "raft/replica/durable.h"

#include <gtest/gtest.h>

#include <functional>
#include <future>

#include <trireme/raft/conformance.h>
#include "raft/replica/test_durable_adder.h"

/// State machines that keep their state by themselves.
namespace trireme::raft {
namespace {

const std::vector<std::string> kNumbers = {"1", "2", "3", "4", "5", "6", "7", "8"};
const std::vector<std::string> kQueries = {""};

TEST(DurableConformance, Ours) {
  std::unique_ptr<AdderDisk> disk;
  const auto open = [&] { return std::make_unique<DurableAdder>(disk.get()); };
  const auto erase = [&] { disk = std::make_unique<AdderDisk>(); };
  EXPECT_EQ(conformance::CheckDurableStateMachine({open, erase}, kNumbers, kQueries),
            absl::OkStatus());
}

/// Wrong in one way.
class BrokenDurable final : public DurableStateMachine {
 public:
  enum class Flaw : std::uint8_t { kNoFlush, kLateFlush, kTornRestore, kLazyRestore };
  BrokenDurable(AdderDisk* disk, Flaw flaw) : disk_(*disk), inner_(disk), flaw_(flaw) {}

  absl::StatusOr<LogPosition> DurablyApplied() override { return inner_.DurablyApplied(); }
  void Apply(std::span<const Entry> commands, std::span<std::string> results) override {
    inner_.Apply(commands, results);
    if (flaw_ == Flaw::kLateFlush) {  // the position without the state
      const std::lock_guard lock(disk_.mutex);
      disk_.applied = PositionOf(commands.back());
    }
  }
  void Skip(LogPosition at) override { inner_.Skip(at); }
  FlushWork Flush() override {
    if (flaw_ == Flaw::kNoFlush) return [] { return absl::OkStatus(); };
    return inner_.Flush();
  }
  SnapshotWork Capture() override { return inner_.Capture(); }
  absl::Status Restore(SnapshotSource& from) override {
    LogPosition before;
    {
      const std::lock_guard lock(disk_.mutex);
      before = disk_.applied;
    }
    absl::Status status = inner_.Restore(from);
    const std::lock_guard lock(disk_.mutex);
    if (flaw_ == Flaw::kTornRestore && !status.ok()) {
      disk_.sum = 77;
      disk_.restoring = false;
    }
    if (flaw_ == Flaw::kLazyRestore) disk_.applied = before;
    return status;
  }
  absl::StatusOr<std::string> Query(std::string_view query) override { return inner_.Query(query); }

 private:
  AdderDisk& disk_;
  DurableAdder inner_;
  const Flaw flaw_;
};

TEST(DurableConformance, FlawsAreFound) {
  using Flaw = BrokenDurable::Flaw;
  for (const auto flaw :
       {Flaw::kNoFlush, Flaw::kLateFlush, Flaw::kTornRestore, Flaw::kLazyRestore}) {
    std::unique_ptr<AdderDisk> disk;
    const auto open = [&] { return std::make_unique<BrokenDurable>(disk.get(), flaw); };
    const auto erase = [&] { disk = std::make_unique<AdderDisk>(); };
    EXPECT_FALSE(conformance::CheckDurableStateMachine({open, erase}, kNumbers, kQueries).ok())
        << static_cast<int>(flaw);
  }
}

class Durable : public testing::TestWithParam<bool> {
 protected:
  TestOptions Options(std::size_t nodes, std::uint64_t snapshot_entries = 0) {
    TestOptions options{.nodes = nodes, .durable = GetParam()};
    options.group = [snapshot_entries](GroupOptions& group) {
      group.snapshot_entries = snapshot_entries;
      group.snapshot_log_bytes = 0;
      group.trailing_entries = 0;
      group.config.snapshot_chunk_bytes_max = 1000;
    };
    options.other_machine = [this](NodeId id) {
      return std::make_unique<DurableAdder>(&disks_[id.value]);
    };
    return options;
  }
  AdderDisk& disk(NodeId id) { return disks_[id.value]; }
  /// Where the log's marker stands afterwards.
  static Index Compact(TestNode& node) {
    std::atomic<std::uint64_t> at{0};
    node.replica->TakeSnapshot([&](absl::StatusOr<Index> taken) {
      ASSERT_TRUE(taken.ok()) << taken.status();
      at = taken->value;
    });
    EXPECT_TRUE(Eventually([&] { return at > 0; }));
    return Index{at};
  }
  static TestNode& FollowerOf(TestCluster& cluster) {
    return cluster.node(cluster.AwaitLeader().id == NodeId{1} ? 2 : 1);
  }
  /// Whoever leads, `behind` will need a snapshot.
  static void AwaitMarkersBeyond(TestCluster& cluster, TestNode& behind, bool compact) {
    const Index last = behind.replica->Status().last.index;
    for (std::uint64_t id = 1; id <= 3; ++id) {
      if (NodeId{id} == behind.id) continue;
      ASSERT_TRUE(
          Eventually([&] { return cluster.node(id).replica->Status().applied > last + 10; }));
      if (compact) Compact(cluster.node(id));
      ASSERT_TRUE(
          Eventually([&] { return cluster.node(id).replica->Status().snapshot.index > last + 5; }));
    }
  }
  /// A follower that has 1 of 101 and is cut off; it will need a snapshot.
  static TestNode& LeaveBehind(TestCluster& cluster) {
    cluster.Add(1);
    TestNode& behind = FollowerOf(cluster);
    cluster.network().Isolate(behind.id);
    for (int i = 0; i < 100; ++i) cluster.Add(1);
    AwaitMarkersBeyond(cluster, behind, false);
    return behind;
  }

  AdderDisk disks_[6];
};
INSTANTIATE_TEST_SUITE_P(Stores, Durable, testing::Bool(),
                         [](const auto& info) { return info.param ? "Durable" : "Memory"; });

TEST_P(Durable, ARestartReplaysWhatWasNotFlushed) {
  TestCluster cluster(Options(1));
  for (int i = 0; i < 30; ++i) cluster.Add(1);
  const Index marker = Compact(cluster.node(1));
  const Index applied = cluster.node(1).replica->Status().applied;
  EXPECT_EQ(marker, applied - 1);
  EXPECT_EQ(cluster.node(1).replica->Status().snapshot.index, marker);
  for (int i = 0; i < 5; ++i) cluster.Add(1);
  cluster.Stop(1);
  cluster.Start(1);
  EXPECT_EQ(cluster.Sum(cluster.node(1)), 35);
  EXPECT_LE(disk(NodeId{1}).replayed, 10);  // and a leader's empty entries
  EXPECT_GE(disk(NodeId{1}).replayed, 5);
  EXPECT_EQ(disk(NodeId{1}).restores, 0);
  EXPECT_EQ(disk(NodeId{1}).captures, 0);
  EXPECT_EQ(cluster.Add(1), 36);
}

TEST_P(Durable, NothingFlushedMeansAllIsReplayed) {
  TestCluster cluster(Options(1));
  for (int i = 0; i < 30; ++i) cluster.Add(1);
  cluster.Stop(1);
  cluster.Start(1);
  EXPECT_EQ(cluster.Sum(cluster.node(1)), 30);
  EXPECT_GE(disk(NodeId{1}).replayed, 30);
}

TEST_P(Durable, TheLogIsKeptShortByMarkers) {
  TestCluster cluster(Options(3, 20));
  for (int i = 1; i <= 100; ++i) EXPECT_EQ(cluster.Add(1), i);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    ASSERT_TRUE(
        Eventually([&] { return cluster.node(id).replica->Status().snapshot.index > Index{60}; }));
    EXPECT_GE(disk(NodeId{id}).flushes, 1);
  }
  for (std::uint64_t id = 1; id <= 3; ++id) {
    cluster.Stop(id);
    cluster.Start(id);
  }
  EXPECT_EQ(cluster.Add(1), 101);
  for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(cluster.Sum(cluster.node(id)), 101);
}

TEST_P(Durable, AFailedFlushKeepsTheLog) {
  TestCluster cluster(Options(1));
  cluster.Add(1);
  cluster.Add(1);
  disk(NodeId{1}).refuses_to_flush = true;
  std::atomic<bool> refused{false};
  cluster.node(1).replica->TakeSnapshot([&](absl::StatusOr<Index> taken) {
    EXPECT_TRUE(absl::IsResourceExhausted(taken.status())) << taken.status();
    refused = true;
  });
  ASSERT_TRUE(Eventually([&] { return refused.load(); }));
  EXPECT_EQ(cluster.node(1).replica->Status().snapshot.index, Index{});
  disk(NodeId{1}).refuses_to_flush = false;
  EXPECT_GT(Compact(cluster.node(1)), Index{});
}

TEST_P(Durable, AFollowerFarBehindGetsAWholeSnapshot) {
  TestCluster cluster(Options(3, 20));
  TestNode& behind = LeaveBehind(cluster);
  cluster.network().Heal();
  EXPECT_EQ(cluster.Sum(behind), 101);
  EXPECT_GE(disk(behind.id).restores, 1);
  const int restores = disk(behind.id).restores;
  const std::uint64_t id = behind.id.value;
  cluster.Stop(id);
  cluster.Start(id);
  EXPECT_EQ(cluster.Sum(cluster.node(id)), 101);
  EXPECT_EQ(disk(NodeId{id}).restores, restores);  // what was restored is durable
}

TEST_P(Durable, AWholeSnapshotNeedsNoNewEntry) {
  TestCluster cluster(Options(3));
  cluster.Add(1);
  TestNode& behind = FollowerOf(cluster);
  cluster.network().Isolate(behind.id);
  for (int i = 0; i < 20; ++i) cluster.Add(1);
  AwaitMarkersBeyond(cluster, behind, true);
  cluster.network().Heal();
  ASSERT_TRUE(Eventually([&] { return disk(behind.id).restores >= 1; }));
  EXPECT_EQ(cluster.Sum(behind), 21);
}

TEST_P(Durable, AMemberThatHasRestartedSendsWholeSnapshotsToo) {
  TestCluster cluster(Options(1));
  for (int i = 0; i < 20; ++i) cluster.Add(1);
  Compact(cluster.node(1));
  cluster.Stop(1);
  cluster.Start(1);
  cluster.AwaitLeader();
  cluster.Start(NodeId{4}, {});
  ASSERT_TRUE(Eventually([&] {
    std::atomic<int> state{-1};
    cluster.node(1).replica->ChangeMembers(
        {{NodeId{1}, "1"}, {NodeId{4}, "4"}},
        [&](const ProposalResult& result) { state = static_cast<int>(result.state); });
    Eventually([&] { return state >= 0; });
    return state == static_cast<int>(ProposalState::kCommitted);
  }));
  EXPECT_EQ(cluster.Sum(cluster.node(4)), 20);
  EXPECT_GE(disk(NodeId{4}).restores, 1);
}

TEST_P(Durable, ARestoreThatBreaksOffIsDoneAgain) {
  TestCluster cluster(Options(3, 20));
  TestNode& behind = LeaveBehind(cluster);
  const std::uint64_t id = behind.id.value;
  disk(behind.id).dies_in_restore = true;
  cluster.network().Heal();
  ASSERT_TRUE(Eventually([&] { return !behind.replica->Status().failure.ok(); }));
  EXPECT_EQ(disk(behind.id).restores, 0);
  cluster.Stop(id);
  cluster.Start(id);
  EXPECT_EQ(cluster.Sum(cluster.node(id)), 101);
  EXPECT_GE(disk(NodeId{id}).restores, 1);
}

TEST_P(Durable, ARestoreWithoutRoomWaitsForIt) {
  TestCluster cluster(Options(3, 20));
  TestNode& behind = LeaveBehind(cluster);
  disk(behind.id).no_room_to_restore = true;
  cluster.network().Heal();
  ASSERT_TRUE(Eventually([&] { return disk(behind.id).restores_refused >= 1; }));
  // Asked again at once as long as there is no answer: there is always something else to do.
  std::promise<absl::StatusOr<std::string>> answer;
  std::atomic<int> refused{0};
  std::function<void()> ask = [&] {
    behind.replica->QueryLocal("", [&](absl::StatusOr<std::string> got) {
      if (!absl::IsUnavailable(got.status())) return answer.set_value(std::move(got));
      ++refused;
      ask();
    });
  };
  ask();
  ASSERT_TRUE(Eventually([&] { return refused > 0; }));
  cluster.Add(1);
  disk(behind.id).no_room_to_restore = false;
  EXPECT_TRUE(answer.get_future().get().ok());
  EXPECT_EQ(cluster.Sum(behind), 102);
  EXPECT_TRUE(behind.replica->Status().failure.ok());
}

TEST_P(Durable, AStopDoesNotWaitForRoom) {
  TestCluster cluster(Options(3, 20));
  TestNode& behind = LeaveBehind(cluster);
  const std::uint64_t id = behind.id.value;
  disk(behind.id).no_room_to_restore = true;
  cluster.network().Heal();
  ASSERT_TRUE(Eventually([&] { return disk(NodeId{id}).restores_refused > 0; }));
  cluster.Stop(id);
  disk(NodeId{id}).no_room_to_restore = false;
  cluster.Start(id);
  EXPECT_EQ(cluster.Sum(cluster.node(id)), 101);
}

TEST_P(Durable, AWholeSnapshotGivesWayToAMarker) {
  class Fast final : public Clock {  // so that the look every ten seconds comes soon
   public:
    std::chrono::nanoseconds Now() const override { return 20 * SteadyClock().Now(); }
  } clock;
  TestOptions options = Options(3);
  options.tick = std::chrono::milliseconds(100);
  options.host = [&](HostOptions& host) { host.clock = &clock; };
  TestCluster cluster(options);
  cluster.Add(1);
  TestNode& behind = FollowerOf(cluster);
  cluster.network().Isolate(behind.id);
  for (int i = 0; i < 20; ++i) cluster.Add(1);
  AwaitMarkersBeyond(cluster, behind, true);
  cluster.network().Heal();
  ASSERT_TRUE(Eventually([&] { return disk(behind.id).restores >= 1; }));
  const Index whole = behind.replica->Status().snapshot.index;
  for (int i = 0; i < 3; ++i) cluster.Add(1);
  ASSERT_TRUE(Eventually([&] { return behind.replica->Status().snapshot.index > whole; }));
  ASSERT_TRUE(Eventually([&] { return disk(behind.id).flushes >= 1; }));
  EXPECT_EQ(cluster.Sum(behind), 24);
}

TEST_P(Durable, NodesComeAndGoUnderLoad) {
  TestCluster cluster(Options(3, 30));
  std::int64_t committed = 0;
  std::int64_t unknown = 0;
  for (int round = 0; round < 6; ++round) {
    const std::uint64_t id = 1 + static_cast<std::uint64_t>(round) % 3;
    cluster.Stop(id);
    for (const std::int64_t until = committed + 60; committed < until;) {
      const ProposalResult result =
          cluster.AwaitLeader().replica->ProposeAndWait(SharedBytes::Copy("1"), kLongTime);
      if (result.state == ProposalState::kCommitted) ++committed;
      if (result.state == ProposalState::kUnknown) ++unknown;
    }
    cluster.Start(id);
  }
  const std::int64_t sum = cluster.Sum(cluster.node(1));
  EXPECT_GE(sum, committed);
  EXPECT_LE(sum, committed + unknown);
  for (std::uint64_t id = 2; id <= 3; ++id) EXPECT_EQ(cluster.Sum(cluster.node(id)), sum);
}

/// One member over a MemoryLog that stays, started by hand: starts that are refused.
class DurableStart : public testing::Test {
 protected:
  absl::Status Start(StateMachine* machine) {
    HostOptions options;
    options.node = NodeId{1};
    options.tick = std::chrono::milliseconds(5);
    options.store = &store_;
    options.recovered = store_.Recover();
    auto host = Host::Start(std::move(options));
    if (!host.ok()) return host.status();
    host_ = *std::move(host);
    GroupOptions group;
    group.members = {{NodeId{1}, ""}};
    group.trailing_entries = trailing_entries_;
    group.trailing_bytes = 1u << 20;
    const auto replica = host_->AddGroup(group, machine);
    if (replica.ok()) replica_ = *replica;
    return replica.status();
  }
  void AddOnes(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(Eventually([&] {
        return replica_->ProposeAndWait(SharedBytes::Copy("1"), kLongTime).state ==
               ProposalState::kCommitted;
      }));
    }
  }
  void Compact() {
    std::atomic<bool> taken{false};
    replica_->TakeSnapshot([&](absl::StatusOr<Index> at) {
      EXPECT_TRUE(at.ok()) << at.status();
      taken = true;
    });
    ASSERT_TRUE(Eventually([&] { return taken.load(); }));
  }

  MemoryLog store_;
  std::uint64_t trailing_entries_ = 0;
  std::unique_ptr<Host> host_;
  Replica* replica_ = nullptr;
};

TEST_F(DurableStart, WhatStaysBehindASnapshotIsBoundedByBytes) {
  constexpr std::uint64_t kEntryBytes = 128u << 10, kEntries = 40;
  trailing_entries_ = kEntries;
  AdderDisk disk;
  DurableAdder machine(&disk);
  ASSERT_EQ(Start(&machine), absl::OkStatus());
  AddOnes(1);  // it leads
  for (std::uint64_t i = 0; i < kEntries; ++i) {
    const std::string one = std::string(kEntryBytes - 1, '0') + "1";
    ASSERT_EQ(replica_->ProposeAndWait(SharedBytes::Copy(one), kLongTime).state,
              ProposalState::kCommitted);
  }
  Compact();
  host_->Stop();
  const RecoveredGroup kept = store_.Recover()[0];
  const std::uint64_t count = kept.last.index.value - kept.dropped_to.index.value;
  EXPECT_LE(count, 12u);
  EXPECT_GE(count, 4u) << "and not nothing";
}

TEST_F(DurableStart, AMachineBehindTheMarkerIsRefused) {
  AdderDisk disk;
  DurableAdder first(&disk);
  ASSERT_EQ(Start(&first), absl::OkStatus());
  AddOnes(10);
  Compact();
  host_->Stop();
  const std::uint64_t marker = store_.Recover()[0].snapshot.last.index.value;
  AdderDisk empty;
  DurableAdder second(&empty);
  const absl::Status status = Start(&second);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_NE(status.message().find("up to entry 0"), std::string::npos) << status;
  EXPECT_NE(status.message().find("up to " + std::to_string(marker) + ":"), std::string::npos)
      << status;
  // The one that fits is taken.
  DurableAdder again(&disk);
  EXPECT_EQ(Start(&again), absl::OkStatus());
  AddOnes(1);
  EXPECT_EQ(*replica_->QueryAndWait("", kLongTime), "11");
  host_->Stop();
}

TEST_F(DurableStart, AMachineAheadOfTheLogIsRefused) {
  AdderDisk disk;
  disk.sum = 5;
  disk.applied = {Index{5}, Term{2}};
  DurableAdder machine(&disk);
  const absl::Status status = Start(&machine);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_NE(status.message().find("entry 5 of term 2"), std::string::npos) << status;
}

TEST_F(DurableStart, AMachineOfAnotherHistoryIsRefused) {
  AdderDisk disk;
  DurableAdder machine(&disk);
  ASSERT_EQ(Start(&machine), absl::OkStatus());
  AddOnes(10);
  host_->Stop();
  AdderDisk other;
  other.applied = {Index{5}, Term{900}};
  DurableAdder stranger(&other);
  EXPECT_TRUE(absl::IsDataLoss(Start(&stranger)));
}

TEST_F(DurableStart, AMachineThatIsNotDurableIsRefusedBehindAMarker) {
  AdderDisk disk;
  DurableAdder machine(&disk);
  ASSERT_EQ(Start(&machine), absl::OkStatus());
  AddOnes(10);
  Compact();
  host_->Stop();
  Adder adder;
  const absl::Status status = Start(&adder);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
}

TEST_F(DurableStart, AMachineMayBecomeDurable) {
  Adder adder;
  ASSERT_EQ(Start(&adder), absl::OkStatus());
  AddOnes(10);
  Compact();
  AddOnes(1);
  host_->Stop();
  AdderDisk disk;
  DurableAdder machine(&disk);
  ASSERT_EQ(Start(&machine), absl::OkStatus());
  EXPECT_EQ(disk.restores, 1);
  AddOnes(1);
  EXPECT_EQ(*replica_->QueryAndWait("", kLongTime), "12");
  host_->Stop();
}

}  // namespace
}  // namespace trireme::raft
