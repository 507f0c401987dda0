#include <memory>
#include <optional>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "sim/world.h"

/// The scenarios of MIT 6.5840's lab 3, by their names, in virtual time. That logs, terms and
/// applied entries agree is checked by the oracles all the while; here stand the bounds.
namespace trireme::sim {
namespace {

constexpr Micros kElection = 5 * kSecond;
constexpr Micros kAgreement = 10 * kSecond;

class Course {
 public:
  explicit Course(std::uint64_t servers, bool unreliable = false, std::uint64_t snapshots = 0)
      : world_(Quiet(servers, unreliable, snapshots)), servers_(servers) {}

  static Options Quiet(std::uint64_t servers, bool unreliable, std::uint64_t snapshots) {
    Options o;
    o.voters = servers;
    o.clients = 0;
    o.leader_noop = 0;  // no entry of Raft's own: the first command has index 1
    o.heartbeat_ticks = 10;
    o.election_ticks = 30;
    o.snapshot_every = snapshots;
    o.keep_entries = 0;
    o.append_entries_max = 4'096;
    o.log_cache_bytes_max = 1 << 20;
    if (unreliable) {
      o.latency_mean_us = 13'000;
      o.loss_ppm = 100'000;
    }
    return o;
  }

  World& world() { return world_; }
  Node& server(std::uint64_t id) { return world_.node(id); }
  std::uint64_t servers() const { return servers_; }
  Random& random() { return random_; }
  void RunFor(Micros duration) {
    ASSERT_TRUE(world_.RunFor(duration)) << world_.panel().violation();
  }
  bool RunUntil(const std::function<bool()>& done, Micros bound) {
    const bool reached = world_.RunUntil(done, bound);
    EXPECT_EQ(world_.panel().violation(), "");
    return reached;
  }

  void Disconnect(std::uint64_t id) { Switch(id, true); }
  void Connect(std::uint64_t id) { Switch(id, false); }
  bool connected(std::uint64_t id) const { return !away_.contains(id); }
  void Crash(std::uint64_t id) { server(id).Crash(random_); }
  void Restart(std::uint64_t id) {
    if (!server(id).up()) server(id).Start();
  }

  /// Of those that are up and connected, of the highest term.
  std::optional<std::uint64_t> Leader() {
    std::optional<std::uint64_t> leader;
    for (std::uint64_t id = 1; id <= servers_; ++id) {
      if (!connected(id) || !server(id).leads()) continue;
      if (!leader || TermOf(id) > TermOf(*leader)) leader = id;
    }
    return leader;
  }
  raft::Term TermOf(std::uint64_t id) { return server(id).core().Status().term; }
  std::uint64_t CheckOneLeader() {
    EXPECT_TRUE(RunUntil([this] { return Leader().has_value(); }, kElection));
    return Leader().value_or(1);
  }
  void CheckNoLeader() { EXPECT_EQ(Leader(), std::nullopt); }

  /// Somewhere with a leader that is not 0; the index, if accepted.
  std::optional<std::uint64_t> Submit(std::uint64_t id, std::size_t bytes = 8) {
    const Command command{1, ++sequence_, KvKind::kPut, 0, 0, std::string(bytes, 'x')};
    const std::optional<raft::LogPosition> at = server(id).Propose(Encode(command));
    if (!at) return std::nullopt;
    return at->index.value;
  }
  std::uint64_t Applied(std::uint64_t index) {
    std::uint64_t count = 0;
    for (std::uint64_t id = 1; id <= servers_; ++id) {
      count += server(id).up() && server(id).applied() >= raft::Index{index} ? 1 : 0;
    }
    return count;
  }
  bool AnyApplied(std::uint64_t index) {
    return world_.panel().ledger().committed_last() >= raft::Index{index};
  }
  /// A new command, offered to leader after leader, is applied by so many within ten seconds.
  std::uint64_t One(std::uint64_t expected) {
    const Micros end = world_.queue().now() + kAgreement;
    while (world_.queue().now() < end) {
      if (!RunUntil([this] { return Leader().has_value(); }, end - world_.queue().now())) break;
      const std::optional<std::uint64_t> index = Submit(*Leader());
      if (!index) {
        RunFor(20 * kMillisecond);
        continue;
      }
      if (RunUntil([&] { return Applied(*index) >= expected; }, 2 * kSecond)) return *index;
    }
    ADD_FAILURE() << "no agreement of " << expected << " within ten seconds";
    return 0;
  }
  std::uint64_t Next(std::uint64_t id) const { return id % servers_ + 1; }

 private:
  void Switch(std::uint64_t id, bool away) {
    if (away == !connected(id)) return;
    for (std::uint64_t other = 1; other <= servers_; ++other) {
      if (other == id || !connected(other)) continue;
      const auto a = static_cast<Address>(id);
      const auto b = static_cast<Address>(other);
      away ? world_.network().Cut(a, b) : world_.network().Mend(a, b);
      away ? world_.network().Cut(b, a) : world_.network().Mend(b, a);
    }
    away ? (void)away_.insert(id) : (void)away_.erase(id);
  }

  World world_;
  std::uint64_t servers_;
  Random random_{42};
  std::uint64_t sequence_ = 0;
  std::set<std::uint64_t> away_;
};

TEST(Course, InitialElection3A) {
  Course c(3);
  const std::uint64_t leader = c.CheckOneLeader();
  EXPECT_GE(c.TermOf(leader), raft::Term{1});
  const raft::Term term = c.TermOf(leader);
  c.RunFor(2 * kSecond);
  EXPECT_EQ(c.Leader(), leader);
  for (std::uint64_t id = 1; id <= 3; ++id) EXPECT_EQ(c.TermOf(id), term);
}

TEST(Course, ReElection3A) {
  Course c(3);
  const std::uint64_t first = c.CheckOneLeader();
  c.Disconnect(first);
  const std::uint64_t second = c.CheckOneLeader();
  EXPECT_NE(first, second);
  c.Connect(first);
  EXPECT_EQ(c.CheckOneLeader(), second);
  c.Disconnect(second);
  c.Disconnect(c.Next(second));
  c.RunFor(2 * kSecond);
  c.CheckNoLeader();
  c.Connect(c.Next(second));
  c.CheckOneLeader();
  c.Connect(second);
  c.CheckOneLeader();
}

TEST(Course, ManyElections3A) {
  Course c(7);
  c.CheckOneLeader();
  for (int round = 0; round < 9; ++round) {
    std::set<std::uint64_t> away;
    for (int i = 0; i < 3; ++i) away.insert(1 + c.random().Below(7));
    for (const std::uint64_t id : away) c.Disconnect(id);
    c.CheckOneLeader();
    for (const std::uint64_t id : away) c.Connect(id);
  }
  c.CheckOneLeader();
}

TEST(Course, BasicAgree3B) {
  Course c(3);
  for (std::uint64_t index = 1; index <= 3; ++index) {
    EXPECT_FALSE(c.AnyApplied(index));
    EXPECT_EQ(c.One(3), index);
  }
}

TEST(Course, RPCBytes3B) {
  Course c(3);
  c.One(3);
  c.world().network().CountBytes();
  for (int i = 0; i < 10; ++i) {
    const std::uint64_t index = c.Submit(*c.Leader(), 5'000).value();
    ASSERT_TRUE(c.RunUntil([&] { return c.Applied(index) == 3; }, kAgreement));
  }
  EXPECT_LE(c.world().network().counters().bytes, 3u * 50'000 + 50'000);
}

TEST(Course, FollowerFailure3B) {
  Course c(3);
  c.One(3);
  c.Disconnect(c.Next(c.CheckOneLeader()));
  c.One(2);
  c.RunFor(kSecond);
  EXPECT_EQ(c.One(2), 3u);
  const std::uint64_t leader = c.CheckOneLeader();
  for (std::uint64_t id = 1; id <= 3; ++id) {
    if (id != leader) c.Disconnect(id);
  }
  EXPECT_EQ(c.Submit(leader), 4u);
  c.RunFor(2 * kSecond);
  EXPECT_FALSE(c.AnyApplied(4));
}

TEST(Course, LeaderFailure3B) {
  Course c(3);
  c.One(3);
  c.Disconnect(c.CheckOneLeader());
  c.One(2);
  c.RunFor(kSecond);
  c.One(2);
  c.Disconnect(c.CheckOneLeader());
  for (std::uint64_t id = 1; id <= 3; ++id) (void)c.Submit(id);
  c.RunFor(2 * kSecond);
  EXPECT_FALSE(c.AnyApplied(4));
}

TEST(Course, FailAgree3B) {
  Course c(3);
  c.One(3);
  const std::uint64_t follower = c.Next(c.CheckOneLeader());
  c.Disconnect(follower);
  for (int i = 0; i < 4; ++i) c.One(2);
  c.Connect(follower);
  EXPECT_EQ(c.One(3), 6u);
  c.RunFor(kSecond);
  EXPECT_EQ(c.One(3), 7u);
}

TEST(Course, FailNoAgree3B) {
  Course c(5);
  c.One(5);
  const std::uint64_t leader = c.CheckOneLeader();
  for (std::uint64_t i = 0, id = c.Next(leader); i < 3; ++i, id = c.Next(id)) c.Disconnect(id);
  EXPECT_EQ(c.Submit(leader), 2u);
  c.RunFor(2 * kSecond);
  EXPECT_FALSE(c.AnyApplied(2));
  for (std::uint64_t id = 1; id <= 5; ++id) c.Connect(id);
  const std::uint64_t index = c.Submit(c.CheckOneLeader()).value();
  EXPECT_TRUE(index == 2 || index == 3) << index;
  c.One(5);
}

TEST(Course, ConcurrentStarts3B) {
  Course c(3);
  const std::uint64_t leader = c.CheckOneLeader();
  for (std::uint64_t i = 1; i <= 5; ++i) EXPECT_EQ(c.Submit(leader), i);
  EXPECT_TRUE(c.RunUntil([&] { return c.Applied(5) == 3; }, 3 * kSecond));
}

TEST(Course, Rejoin3B) {
  Course c(3);
  c.One(3);
  const std::uint64_t first = c.CheckOneLeader();
  c.Disconnect(first);
  for (int i = 0; i < 3; ++i) (void)c.Submit(first);
  c.One(2);
  const std::uint64_t second = c.CheckOneLeader();
  c.Disconnect(second);
  c.Connect(first);
  c.One(2);
  c.Connect(second);
  c.One(3);
}

TEST(Course, Backup3B) {
  Course c(5);
  c.One(5);
  const std::uint64_t first = c.CheckOneLeader();
  const auto at = [&](std::uint64_t i) { return (first - 1 + i) % 5 + 1; };
  for (const std::uint64_t i : {2, 3, 4}) c.Disconnect(at(i));
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(c.Submit(first));
  c.RunFor(kSecond / 2);
  for (const std::uint64_t i : {0, 1}) c.Disconnect(at(i));
  for (const std::uint64_t i : {2, 3, 4}) c.Connect(at(i));
  for (int i = 0; i < 50; ++i) c.One(3);
  const std::uint64_t second = c.CheckOneLeader();
  std::uint64_t other = at(2);
  if (other == second) other = at(3);
  c.Disconnect(other);
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(c.Submit(second));
  c.RunFor(kSecond / 2);
  for (std::uint64_t id = 1; id <= 5; ++id) c.Disconnect(id);
  for (const std::uint64_t id : {at(0), at(1), other}) c.Connect(id);
  for (int i = 0; i < 50; ++i) c.One(3);
  for (std::uint64_t id = 1; id <= 5; ++id) c.Connect(id);
  c.One(5);
}

/// A call of the course is a request and its answer: two messages here.
TEST(Course, Count3B) {
  Course c(3);
  const auto calls = [&] { return c.world().network().counters().sent / 2; };
  const std::uint64_t leader = c.CheckOneLeader();
  EXPECT_GE(calls(), 1u);
  EXPECT_LE(calls(), 30u);
  const std::uint64_t before = calls();
  for (int i = 0; i < 12; ++i) EXPECT_TRUE(c.Submit(leader));
  EXPECT_TRUE(c.RunUntil([&] { return c.Applied(10) == 3; }, kAgreement));
  EXPECT_LE(calls() - before, 42u);
  c.RunFor(kSecond);
  const std::uint64_t idle = calls();
  c.RunFor(kSecond);
  EXPECT_LE(calls() - idle, 60u);
}

TEST(Course, Persist13C) {
  Course c(3);
  c.One(3);
  for (std::uint64_t id = 1; id <= 3; ++id) c.Crash(id);
  for (std::uint64_t id = 1; id <= 3; ++id) c.Restart(id);
  c.One(3);
  for (const bool follower : {false, false, true}) {
    const std::uint64_t leader = c.CheckOneLeader();
    const std::uint64_t gone = follower ? c.Next(leader) : leader;
    c.Crash(gone);
    c.One(2);
    c.Restart(gone);
    c.One(3);
  }
}

TEST(Course, Persist23C) {
  Course c(5);
  for (int round = 0; round < 5; ++round) {
    c.One(5);
    const std::uint64_t leader = c.CheckOneLeader();
    const auto at = [&](std::uint64_t i) { return (leader - 1 + i) % 5 + 1; };
    for (const std::uint64_t i : {1, 2}) c.Crash(at(i));
    c.One(3);
    for (const std::uint64_t i : {0, 3, 4}) c.Crash(at(i));
    for (const std::uint64_t i : {1, 2}) c.Restart(at(i));
    c.RunFor(kSecond);
    c.Restart(at(3));
    c.One(3);
    for (const std::uint64_t i : {4, 0}) c.Restart(at(i));
  }
  c.One(5);
}

TEST(Course, Persist33C) {
  Course c(3);
  c.One(3);
  const std::uint64_t leader = c.CheckOneLeader();
  const std::uint64_t away = c.Next(c.Next(leader));
  c.Disconnect(away);
  c.One(2);
  c.Crash(leader);
  c.Crash(c.Next(leader));
  c.Connect(away);
  c.Restart(leader);
  c.One(2);
  c.Restart(c.Next(leader));
  c.One(3);
}

TEST(Course, Figure83C) {
  Course c(5);
  c.One(1);
  std::uint64_t up = 5;
  for (int round = 0; round < 1'000; ++round) {
    std::optional<std::uint64_t> leader;
    for (std::uint64_t id = 1; id <= 5; ++id) {
      if (c.server(id).up() && c.Submit(id)) leader = id;
    }
    const Micros most = c.random().OneIn(10) ? 500 * kMillisecond : 13 * kMillisecond;
    c.RunFor(c.random().Below(most));
    if (leader && c.server(*leader).up()) {
      c.Crash(*leader);
      --up;
    }
    const std::uint64_t id = 1 + c.random().Below(5);
    if (up < 3 && !c.server(id).up()) {
      c.Restart(id);
      ++up;
    }
  }
  for (std::uint64_t id = 1; id <= 5; ++id) c.Restart(id);
  c.One(5);
}

TEST(Course, UnreliableAgree3C) {
  Course c(5, true);
  for (int i = 1; i < 50; ++i) {
    for (int j = 0; j < 4; ++j) (void)c.Submit(c.CheckOneLeader());
    c.One(1);
  }
  c.world().network().Heal();
  c.One(5);
}

void SnapshotRounds(bool unreliable, bool away, bool crash) {
  Course c(3, unreliable, 10);
  c.One(3);
  for (std::uint64_t round = 0; round < 30; ++round) {
    const std::uint64_t leader = c.CheckOneLeader();
    const std::uint64_t victim = round % 3 == 1 ? leader : c.Next(leader);
    if (away) c.Disconnect(victim);
    if (crash) c.Crash(victim);
    if (away || crash) c.One(2);
    for (std::uint64_t i = 5 + c.random().Below(10); i > 0; --i) {
      (void)c.Submit(c.CheckOneLeader());
    }
    c.One(away || crash ? 2 : 3);
    if (away) c.Connect(victim);
    if (crash) c.Restart(victim);
    c.One(3);
    // Two snapshots' worth of entries, of about twenty bytes each, are what can be left.
    for (std::uint64_t id = 1; id <= 3; ++id) {
      EXPECT_LT(c.server(id).core().Status().log_bytes, 2'000u);
    }
  }
}

TEST(Course, SnapshotBasic3D) {
  SnapshotRounds(false, false, false);
}
TEST(Course, SnapshotInstall3D) {
  SnapshotRounds(false, true, false);
}
TEST(Course, SnapshotInstallUnreliable3D) {
  SnapshotRounds(true, true, false);
}
TEST(Course, SnapshotInstallCrash3D) {
  SnapshotRounds(false, false, true);
}
TEST(Course, SnapshotInstallUnCrash3D) {
  SnapshotRounds(true, false, true);
}

TEST(Course, SnapshotAllCrash3D) {
  Course c(3, true, 10);
  c.One(3);
  for (int round = 0; round < 5; ++round) {
    for (std::uint64_t i = 5 + c.random().Below(10); i > 0; --i) {
      (void)c.Submit(c.CheckOneLeader());
    }
    const std::uint64_t before = c.One(3);
    for (std::uint64_t id = 1; id <= 3; ++id) c.Crash(id);
    for (std::uint64_t id = 1; id <= 3; ++id) c.Restart(id);
    EXPECT_GT(c.One(3), before);
  }
}

TEST(Course, SnapshotInit3D) {
  Course c(3, true, 10);
  for (int i = 0; i < 14; ++i) c.One(3);
  for (int restarts = 0; restarts < 2; ++restarts) {
    for (std::uint64_t id = 1; id <= 3; ++id) c.Crash(id);
    for (std::uint64_t id = 1; id <= 3; ++id) c.Restart(id);
    c.One(3);
  }
}

}  // namespace
}  // namespace trireme::sim
