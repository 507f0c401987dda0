#include <gtest/gtest.h>

#include <unistd.h>

#include <fstream>

#include "raft/replica/replica_testing.h"

/// Many groups in one process; groups that end; peers that leave.
namespace trireme::raft {
namespace {

constexpr std::uint64_t kPageBytes = 4096;

std::uint64_t ResidentBytes() {
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * kPageBytes;
}

/// A process with any number of groups over one durable log.
class ManyGroups {
 public:
  ManyGroups(InProcessNetwork* network, NodeId id, std::chrono::milliseconds tick)
      : network_(*network), id_(id), tick_(tick) {
    Start();
  }
  ~ManyGroups() { Stop(); }

  void Start() {
    LogOptions log{.directory = "log", .cluster_id = 7, .node = id_};
    log.segment_bytes = 1u << 20;
    log.reserve_bytes = 16u << 10;
    auto opened = Log::Open(log, &disk_);
    TRIREME_CHECK(opened.ok());
    store_ = std::move(opened->log);
    transport_ = network_.MakeTransport(id_);
    HostOptions options;
    options.node = id_;
    options.tick = tick_;
    options.store = store_.get();
    options.recovered = std::move(opened->groups);
    options.transport = transport_.get();
    auto started = Host::Start(std::move(options));
    TRIREME_CHECK(started.ok());
    host_ = *std::move(started);
  }
  void Stop() {
    host_.reset();
    transport_.reset();
    store_.reset();
    machines_.clear();
  }

  Replica* Add(std::uint64_t group, std::vector<Member> members) {
    machines_.push_back(std::make_unique<Adder>());
    GroupOptions options;
    options.group = GroupId{group};
    options.members = std::move(members);
    auto added = host_->AddGroup(options, machines_.back().get());
    EXPECT_TRUE(added.ok()) << added.status();
    return added.ok() ? *added : nullptr;
  }
  Host& host() { return *host_; }

 private:
  InProcessNetwork& network_;
  const NodeId id_;
  const std::chrono::milliseconds tick_;
  io::MemoryDisk disk_;
  std::unique_ptr<LogStore> store_;
  std::unique_ptr<Transport> transport_;
  std::vector<std::unique_ptr<Adder>> machines_;
  std::unique_ptr<Host> host_;
};

constexpr std::chrono::milliseconds kTick{5};
const std::vector<Member> kAlone = {{NodeId{1}, "1"}};

/// Proposes until it is committed; the sum.
std::string Commit(Replica& replica) {
  ProposalResult result;
  EXPECT_TRUE(Eventually([&] {
    result = replica.ProposeAndWait(SharedBytes::Copy("1"), kLongTime);
    return result.state != ProposalState::kNotExecuted;
  }));
  EXPECT_EQ(result.state, ProposalState::kCommitted) << result.status;
  return result.result;
}

TEST(Groups, AForgottenOneIsGoneForGood) {
  InProcessNetwork network;
  ManyGroups one(&network, NodeId{1}, kTick);
  Replica* const kept = one.Add(1, kAlone);
  Replica* const forgotten = one.Add(2, kAlone);
  EXPECT_EQ(Commit(*kept), "1");
  EXPECT_EQ(Commit(*forgotten), "1");
  ASSERT_TRUE(one.host().ForgetGroup(GroupId{2}).ok());
  EXPECT_EQ(one.host().Find(GroupId{2}), nullptr);
  EXPECT_EQ(one.host().Find(GroupId{1}), kept);
  // The pointer that a user has kept still answers.
  const ProposalResult late = forgotten->ProposeAndWait(SharedBytes::Copy("1"), kLongTime);
  EXPECT_EQ(late.state, ProposalState::kNotExecuted);
  EXPECT_TRUE(absl::IsFailedPrecondition(late.status)) << late.status;
  EXPECT_FALSE(forgotten->QueryAndWait("", kLongTime).ok());
  EXPECT_EQ(Commit(*kept), "2");
  EXPECT_TRUE(absl::IsNotFound(one.host().ForgetGroup(GroupId{2})));
  one.Stop();
  one.Start();
  EXPECT_EQ(one.host().dormant(), std::vector<GroupId>{GroupId{1}});
  EXPECT_EQ(Commit(*one.Add(1, {})), "3");
}

TEST(Groups, DormantOnesKeepWhatTheyHaveUntilTheyAreAdded) {
  InProcessNetwork network;
  ManyGroups one(&network, NodeId{1}, kTick);
  for (std::uint64_t group = 1; group <= 3; ++group) {
    EXPECT_EQ(Commit(*one.Add(group, kAlone)), "1");
  }
  EXPECT_TRUE(one.host().dormant().empty());
  one.Stop();
  one.Start();
  EXPECT_EQ(one.host().dormant(), (std::vector<GroupId>{GroupId{1}, GroupId{2}, GroupId{3}}));
  EXPECT_EQ(Commit(*one.Add(2, {})), "2");
  EXPECT_EQ(one.host().dormant(), (std::vector<GroupId>{GroupId{1}, GroupId{3}}));
  // One that nobody has woken can be forgotten too.
  ASSERT_TRUE(one.host().ForgetGroup(GroupId{3}).ok());
  EXPECT_EQ(one.host().dormant(), std::vector<GroupId>{GroupId{1}});
  one.Stop();
  one.Start();
  EXPECT_EQ(one.host().dormant(), (std::vector<GroupId>{GroupId{1}, GroupId{2}}));
  EXPECT_EQ(Commit(*one.Add(1, {})), "2");
  EXPECT_EQ(Commit(*one.Add(2, {})), "3");
}

TEST(Groups, WrongOnesAreRefused) {
  InProcessNetwork network;
  ManyGroups one(&network, NodeId{1}, kTick);
  one.Add(1, kAlone);
  Adder machine;
  GroupOptions options;
  options.members = kAlone;
  EXPECT_TRUE(absl::IsAlreadyExists(one.host().AddGroup(options, &machine).status()));
  options.group = GroupId{0};
  EXPECT_TRUE(absl::IsInvalidArgument(one.host().AddGroup(options, &machine).status()));
  options.group = GroupId{2};
  options.members = {{NodeId{1}, "1"}, {NodeId{1}, "1"}};
  EXPECT_TRUE(absl::IsInvalidArgument(one.host().AddGroup(options, &machine).status()));
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kManyGroups = 50;
#else
constexpr std::uint64_t kManyGroups = 1000;
#endif

/// Three Hosts of a thousand groups each, in this one process, so a Host has a third of what is
/// measured. What idle groups cost is counted: their heartbeats share frames.
TEST(Groups, AThousandShareMemoryAndFrames) {
  InProcessNetwork network;
  const std::uint64_t before = ResidentBytes();
  std::vector<std::unique_ptr<ManyGroups>> hosts;
  std::vector<Member> members;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    hosts.push_back(std::make_unique<ManyGroups>(&network, NodeId{id}, HostOptions{}.tick));
    members.push_back({NodeId{id}, std::to_string(id)});
  }
  std::vector<Replica*> replicas;
  for (std::uint64_t group = 1; group <= kManyGroups; ++group) {
    for (const auto& host : hosts) replicas.push_back(host->Add(group, members));
  }
  ASSERT_TRUE(Eventually([&] {
    return std::count_if(replicas.begin(), replicas.end(), [](const Replica* replica) {
             return replica->leader() != kNobody;
           }) == static_cast<std::ptrdiff_t>(replicas.size());
  }));
  const auto total = [&](const std::string& name) {
    std::uint64_t sum = 0;
    for (const auto& host : hosts) sum += MetricOf(host->host(), "trireme_raft_" + name + "_total");
    return sum;
  };
  // Fifty thousand messages, or fifty heartbeats of each leader and their answers. Elections may go
  // on at first, and on a busy machine later; where idle groups write, no stretch is without.
  std::uint64_t per_frame = 0;
  const auto an_idle_stretch = [&] {
    const std::uint64_t messages = total("messages_received");
    const std::uint64_t frames = total("frames_received");
    const std::uint64_t syncs = total("log_syncs");
    Eventually([&] { return total("messages_received") - messages >= 50 * kManyGroups; });
    per_frame = (total("messages_received") - messages) / (total("frames_received") - frames);
    return total("log_syncs") - syncs <= 50;
  };
  EXPECT_TRUE(Eventually(an_idle_stretch)) << "idle groups write nothing";
  EXPECT_GE(per_frame, kManyGroups / 50);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_LE(ResidentBytes() - before, 200u << 20);
#endif
  std::printf("%lu groups on each of three hosts: %lu MiB, %lu messages a frame\n", kManyGroups,
              (ResidentBytes() - before) >> 20, per_frame);
}

TEST(Peers, OneThatHasLeftAllGroupsIsForgottenAndMayComeBack) {
  TestOptions options;
  options.host = [](HostOptions& host) { host.forget_peer_after = std::chrono::milliseconds(50); };
  TestCluster cluster(options);
  EXPECT_EQ(cluster.Add(1), 1);
  const auto change = [&](const std::vector<Member>& members) {
    return Eventually([&] {
      std::atomic<int> state{-1};
      cluster.AwaitLeader().replica->ChangeMembers(
          members, [&](ProposalResult result) { state = static_cast<int>(result.state); });
      Eventually([&] { return state >= 0; });
      return state == static_cast<int>(ProposalState::kCommitted);
    });
  };
  std::vector<Member> two = cluster.members();
  two.pop_back();
  ASSERT_TRUE(change(two));
  for (std::uint64_t id = 1; id <= 2; ++id) {
    EXPECT_TRUE(Eventually([&] { return !cluster.network().Knows(NodeId{id}, NodeId{3}); }));
    EXPECT_TRUE(cluster.network().Knows(NodeId{id}, NodeId{3 - id}));
  }
  EXPECT_EQ(cluster.Add(1), 2);
  ASSERT_TRUE(change(cluster.members()));
  EXPECT_TRUE(Eventually([&] { return cluster.node(3).machine->applied == 2; }));
  EXPECT_EQ(cluster.Sum(cluster.node(3)), 2);
}

}  // namespace
}  // namespace trireme::raft
