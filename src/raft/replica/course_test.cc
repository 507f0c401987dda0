#include <gtest/gtest.h>

#include <set>

#include "fmt/format.h"
#include "raft/replica/replica_testing.h"

/// Scenarios of MIT 6.5840's labs 3 and 4 by their names, in real time and over real replicas:
/// those whose bounds are about seconds, about calls that must return, or about what is sent. The
/// others run in the simulator; docs/simulator.md has the whole table.
namespace trireme::raft {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int kSlowdown = 10;
#else
constexpr int kSlowdown = 1;
#endif

/// How long a thread of this process has been kept from running that had nothing to wait for: so
/// much later may everything be on a machine that does other work too.
class Starvation {
 public:
  Starvation() : thread_([this] { Run(); }) {}
  ~Starvation() {
    stop_ = true;
    thread_.join();
  }
  nanoseconds total() const { return nanoseconds(total_); }

 private:
  void Run() {
    constexpr milliseconds kNap{2};
    while (!stop_) {
      const auto before = steady_clock::now();
      std::this_thread::sleep_for(kNap);
      total_ += nanoseconds(steady_clock::now() - before - kNap).count();
    }
  }
  std::atomic<std::int64_t> total_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/// Since it was made, less what the machine took.
class Stopwatch {
 public:
  milliseconds elapsed() const {
    return std::chrono::duration_cast<milliseconds>(steady_clock::now() - began_ -
                                                    starvation_.total());
  }

 private:
  const steady_clock::time_point began_ = steady_clock::now();
  Starvation starvation_;
};

/// Says beside the sum whose command it was.
class Echo final : public Adder {
 public:
  void Apply(std::span<const Entry> commands, std::span<std::string> results) override {
    Adder::Apply(commands, results);
    for (std::size_t i = 0; i < commands.size(); ++i) {
      results[i] = fmt::format("{}:{}", commands[i].data.view(), results[i]);
    }
  }
};

TestOptions Durable() {
  return {.durable = true};
}
/// With the ticks that a Host has when nobody says otherwise: who leads goes on leading, also on a
/// machine that does other work.
TestOptions Unhurried() {
  return {.durable = true, .tick = HostOptions{}.tick};
}

/// What became of commands that were submitted by their numbers.
class Submits {
 public:
  void To(Replica& replica, int number) {
    replica.Propose(SharedBytes::Copy(std::to_string(number)), [this, number](ProposalResult r) {
      const std::lock_guard lock(mutex_);
      results_.emplace_back(number, std::move(r));
    });
  }
  std::size_t returned() const {
    const std::lock_guard lock(mutex_);
    return results_.size();
  }
  std::vector<std::pair<int, ProposalResult>> results() const {
    const std::lock_guard lock(mutex_);
    return results_;
  }
  std::size_t Count(ProposalState state) const {
    const auto all = results();
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [&](const auto& one) { return one.second.state == state; }));
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::pair<int, ProposalResult>> results_;
};

void ExpectSumOnAll(TestCluster& cluster, std::int64_t sum) {
  for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(cluster.Sum(cluster.node(id)), sum) << id;
}

/// Whether it is applied on all of them, without asking anybody.
bool AllApplied(TestCluster& cluster, std::uint64_t commands) {
  for (std::uint64_t id = 1; id <= 3; ++id) {
    if (cluster.node(id).machine->applied < commands) return false;
  }
  return true;
}

std::uint64_t TotalOf(TestCluster& cluster, const std::string& metric) {
  std::uint64_t total = 0;
  for (std::uint64_t id = 1; id <= 3; ++id) total += MetricOf(*cluster.node(id).host, metric);
  return total;
}

TEST(CourseInRealTime, Basic4A) {
  TestCluster cluster(Durable());
  for (int i = 1; i <= 10; ++i) {
    EXPECT_EQ(cluster.Add(1), i);
    ExpectSumOnAll(cluster, i);
  }
}

TEST(CourseInRealTime, Concurrent4A) {
  Submits submits;  // outlives who answers
  TestCluster cluster(Unhurried());
  cluster.Add(0);
  TestNode& leader = cluster.AwaitLeader();
  for (int i = 0; i < 50; ++i) submits.To(*leader.replica, 1);
  ASSERT_TRUE(Eventually([&] { return submits.returned() == 50; }));
  ASSERT_EQ(submits.Count(ProposalState::kCommitted), 50u);
  ExpectSumOnAll(cluster, 50);
}

/// The submit on the two that are left has ten seconds.
TEST(CourseInRealTime, LeaderFailure4A) {
  TestCluster cluster(Durable());
  cluster.Add(1);
  const NodeId leader = cluster.AwaitLeader().id;
  cluster.network().Isolate(leader);
  const Stopwatch watch;
  ASSERT_TRUE(Eventually([&] {
    for (std::uint64_t id = 1; id <= 3; ++id) {
      TestNode& node = cluster.node(id);
      if (node.id == leader || !node.replica->leads()) continue;
      const auto done = node.replica->ProposeAndWait(SharedBytes::Copy("1"), kLongTime);
      if (done.state == ProposalState::kCommitted) return true;
    }
    return false;
  }));
  EXPECT_LE(watch.elapsed(), kSlowdown * seconds(10));
  cluster.network().Heal();
  ExpectSumOnAll(cluster, 2);
}

/// A hundred are stuck with a leader that is cut off, and return within a second when it is back.
TEST(CourseInRealTime, LeaderPartition4A) {
  Submits submits;  // outlives who answers
  TestCluster cluster(Unhurried());
  cluster.Add(1);
  TestNode& old_leader = cluster.AwaitLeader();
  cluster.network().Isolate(old_leader.id);
  for (int i = 0; i < 100; ++i) submits.To(*old_leader.replica, 1000);
  ASSERT_TRUE(Eventually([&] {
    for (std::uint64_t id = 1; id <= 3; ++id) {
      if (NodeId{id} != old_leader.id && cluster.node(id).replica->leads()) return true;
    }
    return false;
  }));
  ASSERT_TRUE(Eventually([&] { return !old_leader.replica->leads(); }));
  cluster.Add(1);
  EXPECT_LT(submits.returned(), 100u);
  cluster.network().Heal();
  const Stopwatch watch;
  ASSERT_TRUE(Eventually([&] { return submits.returned() == 100; }));
  EXPECT_LE(watch.elapsed(), kSlowdown * seconds(1));
  EXPECT_EQ(submits.Count(ProposalState::kNotExecuted), 100u);
  ExpectSumOnAll(cluster, 2);
}

TEST(CourseInRealTime, RestartReplay4A) {
  TestCluster cluster(Durable());
  for (int i = 1; i <= 100; ++i) ASSERT_EQ(cluster.Add(1), i);
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.Stop(id);
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.Start(id);
  EXPECT_EQ(cluster.Add(1), 101);
  ExpectSumOnAll(cluster, 101);
}

/// Calls that wait return when everything is shut down, within eleven seconds.
TEST(CourseInRealTime, Shutdown4A) {
  TestCluster cluster(Durable());
  cluster.Add(1);
  Replica* const leader = cluster.AwaitLeader().replica;
  // Nothing of it commits.
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.network().Isolate(NodeId{id});
  std::atomic<int> called{0};
  std::atomic<int> committed{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 100; ++i) {
    callers.emplace_back([&] {
      ++called;
      const auto result = leader->ProposeAndWait(SharedBytes::Copy("1"), 2 * kLongTime);
      if (result.state == ProposalState::kCommitted) ++committed;
    });
  }
  ASSERT_TRUE(Eventually([&] { return called == 100; }));
  const Stopwatch watch;
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.node(id).host->Stop();
  for (std::thread& caller : callers) caller.join();
  EXPECT_LE(watch.elapsed(), kSlowdown * seconds(11));
  EXPECT_EQ(committed, 0);
}

/// A hundred are cut by a shutdown. Whoever is told a result is told that of his own command, in
/// either life, and what a caller was told stays done.
TEST(CourseInRealTime, RestartSubmit4A) {
  TestOptions options = Durable();
  options.machine = [] { return std::make_unique<Echo>(); };
  Submits before;  // all three outlive who answers
  Submits cut;
  Submits after;
  TestCluster cluster(options);
  const auto submit_all = [&](int first, Submits& submits) {
    for (int i = first; i < first + 100; ++i) {
      submits.To(*cluster.AwaitLeader().replica, i);
    }
  };
  const auto check = [](const Submits& submits) {
    for (const auto& [number, result] : submits.results()) {
      if (result.state != ProposalState::kCommitted) continue;
      EXPECT_EQ(result.result.substr(0, result.result.find(':')), std::to_string(number));
    }
  };
  submit_all(1000, before);
  ASSERT_TRUE(Eventually([&] { return before.returned() == 100; }));
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.Stop(id);
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.Start(id);
  submit_all(2000, cut);
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.Stop(id);
  EXPECT_EQ(cut.returned(), 100u);
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.Start(id);
  ASSERT_TRUE(Eventually([&] {
    if (after.Count(ProposalState::kCommitted) > 0) return true;
    if (TestNode* leader = cluster.Leader()) after.To(*leader->replica, 3000);
    return false;
  }));
  for (const Submits* submits : {&before, &cut, &after}) check(*submits);
  // Every sum that anybody was told is of one history.
  std::map<std::int64_t, int> sums;
  for (const Submits* submits : {&before, &cut, &after}) {
    for (const auto& [number, result] : submits->results()) {
      if (result.state != ProposalState::kCommitted) continue;
      sums.emplace(std::stoll(result.result.substr(result.result.find(':') + 1)), number);
    }
  }
  std::int64_t last = 0;
  for (const auto& [sum, number] : sums) {
    EXPECT_GE(sum, last + number);
    last = sum;
  }
}

/// With a limit on the log, a restart restores a snapshot and applies what is behind it.
TEST(CourseInRealTime, Snapshot4C) {
  TestOptions options = Durable();
  options.group = [](GroupOptions& group) {
    group.snapshot_entries = 20;
    group.trailing_entries = 5;
  };
  TestCluster cluster(options);
  for (int i = 1; i <= 100; ++i) ASSERT_EQ(cluster.Add(1), i);
  ASSERT_TRUE(Eventually([&] {
    for (std::uint64_t id = 1; id <= 3; ++id) {
      const ReplicaStatus status = cluster.node(id).replica->Status();
      if (status.snapshot.index < Index{60}) return false;
    }
    return true;
  }));
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.Stop(id);
  for (std::uint64_t id = 1; id <= 3; ++id) cluster.Start(id);
  EXPECT_EQ(cluster.Add(1), 101);
  ExpectSumOnAll(cluster, 101);
  for (std::uint64_t id = 1; id <= 3; ++id) {
    EXPECT_GE(cluster.node(id).machine->restored, 1u);
    EXPECT_LE(cluster.node(id).machine->applied, 60u);
  }
}

/// A thousand, each after the one before it was acknowledged, in 33.3 ms at most on average.
void ExpectSpeed(TestOptions options) {
  TestCluster cluster(std::move(options));
  cluster.Add(0);
  const Stopwatch watch;
  for (int i = 1; i <= 1000; ++i) ASSERT_EQ(cluster.Add(1), i);
  EXPECT_LE(watch.elapsed(), kSlowdown * milliseconds(33'300));
  ExpectSumOnAll(cluster, 1000);
}

TEST(CourseInRealTime, Speed4B) {
  ExpectSpeed(Durable());
}

TEST(CourseInRealTime, Speed4C) {
  TestOptions options = Durable();
  options.group = [](GroupOptions& group) { group.snapshot_entries = 40; };
  ExpectSpeed(std::move(options));
}

/// A call of the course is a request and its answer: two messages here.
TEST(CourseInRealTime, Count3B) {
  TestCluster cluster(Unhurried());
  const auto calls = [&] { return TotalOf(cluster, "trireme_raft_messages_received_total") / 2; };
  TestNode& leader = cluster.AwaitLeader();
  EXPECT_GE(calls(), 1u);
  EXPECT_LE(calls(), 30u);
  cluster.Add(1);
  const std::uint64_t before = calls();
  std::vector<Proposal> twelve(12);
  for (Proposal& proposal : twelve) proposal.data = SharedBytes::Copy("1");
  leader.replica->Propose(twelve);
  ASSERT_TRUE(Eventually([&] { return AllApplied(cluster, 11); }));
  EXPECT_LE(calls() - before, 42u);
  // What a second costs in which nothing is asked for; a busy machine may make it longer.
  const std::uint64_t idle = calls();
  const auto from = steady_clock::now();
  std::this_thread::sleep_for(seconds(1));
  const std::uint64_t came = calls() - idle;
  EXPECT_LE(came, 60 * std::chrono::duration<double>(steady_clock::now() - from).count());
}

TEST(CourseInRealTime, RPCBytes3B) {
  TestCluster cluster(Unhurried());
  cluster.Add(1);
  const auto bytes = [&] { return TotalOf(cluster, "trireme_raft_frame_bytes_sent_total"); };
  ASSERT_TRUE(Eventually([&] { return AllApplied(cluster, 1); }));
  TestNode& leader = cluster.AwaitLeader();
  const std::uint64_t before = bytes();
  for (std::uint64_t i = 2; i <= 11; ++i) {
    const auto done =
        leader.replica->ProposeAndWait(SharedBytes::Own(std::string(4999, ' ') + "1"), kLongTime);
    ASSERT_EQ(done.state, ProposalState::kCommitted) << done.status;
    ASSERT_TRUE(Eventually([&] { return AllApplied(cluster, i); }));
  }
  EXPECT_LE(bytes() - before, 3u * 50'000 + 50'000);
}

}  // namespace
}  // namespace trireme::raft
