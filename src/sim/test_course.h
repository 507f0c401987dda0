#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "sim/world.h"

namespace trireme::sim {

inline constexpr Micros kElection = 5 * kSecond;
inline constexpr Micros kAgreement = 10 * kSecond;

/// A cluster on which a scenario of MIT 6.5840 is played.
class Course {
 public:
  explicit Course(std::uint64_t servers, bool unreliable = false, std::uint64_t snapshots = 0)
      : world_(Quiet(servers, unreliable, snapshots)), servers_(servers) {}

  static Options Quiet(std::uint64_t servers, bool unreliable, std::uint64_t snapshots) {
    Options o;
    o.voters = servers;
    o.clients = 0;
    o.log_storage = 1;
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
    const std::optional<raft::LogPosition> at = SubmitAt(id, bytes);
    if (!at) return std::nullopt;
    return at->index.value;
  }
  std::optional<raft::LogPosition> SubmitAt(std::uint64_t id, std::size_t bytes = 8) {
    const Command command{1, ++sequence_, KvKind::kPut, 0, 0, std::string(bytes, 'x')};
    return server(id).Propose(Encode(command));
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
  void CrashAll() {
    for (std::uint64_t id = 1; id <= servers_; ++id) {
      if (server(id).up()) Crash(id);
    }
  }
  void RestartAll() {
    for (std::uint64_t id = 1; id <= servers_; ++id) Restart(id);
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

}  // namespace trireme::sim
