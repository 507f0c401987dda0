// Random schedules of whole clusters from one seed each: messages lost, duplicated, reordered and
// held back by partitions; writes that take their time; crashes that lose what was not durable;
// snapshots, membership changes, transfers, reads. First anything may happen and nothing wrong may;
// then the faults end and the cluster must make progress.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "base/random.h"
#include "gtest/gtest.h"
#include "raft/core/codec.h"
#include "raft/core/configuration.h"
#include "raft/core/simulated_server.h"

namespace trireme::raft {
namespace {

constexpr std::uint64_t kStepsOfChaos = 3000;

/// What a seed draws.
struct Options {
  explicit Options(Random& random)
      : voters(1 + random.Below(5)),
        spares(random.Below(3)),
        witness(voters >= 2 && random.OneIn(3)),
        loss(random.Below(4) * 5),
        duplication(random.Below(3) * 5),
        crashes(random.Below(3)),
        membership(random.OneIn(2)),
        partitions(random.OneIn(2)),
        turmoil(random.OneIn(2)) {
    config.pre_vote = !random.OneIn(3);
    config.check_quorum = !random.OneIn(3);
    config.leader_noop = !random.OneIn(4);
    config.election_ticks = 10;
    config.heartbeat_ticks = 2;
    config.append_entries_max = 1 + static_cast<std::uint32_t>(random.Below(8));
    config.append_bytes_max = 20 + random.Below(200);
    config.inflight_appends_max = static_cast<std::uint32_t>(random.Below(4));
    config.snapshot_chunk_bytes_max = 10 + random.Below(50);
    config.snapshot_streams_max = 1 + static_cast<std::uint32_t>(random.Below(2));
    config.log_cache_bytes_max = random.OneIn(3) ? 100 : 1 << 20;
    config.apply_bytes_max = 1 + random.Below(200);
    config.promotion_lag_max = random.Below(20);
    config.promotion_rounds_max = 1 + static_cast<std::uint32_t>(random.Below(4));
    config.promotion_idle_ticks_max = 5 + static_cast<std::uint32_t>(random.Below(60));
    config.lease_ticks = random.OneIn(2) ? 5 + static_cast<std::uint32_t>(random.Below(25)) : 0;
    config.clock_drift_ppm_max = 0;  // with leases, ticks come to all alike: see TickSome
    if (!config.leader_noop) config.lease_ticks = 0;
  }
  std::uint64_t voters;
  std::uint64_t spares;
  bool witness;
  std::uint64_t loss;         // percent
  std::uint64_t duplication;  // percent
  std::uint64_t crashes;
  bool membership;
  bool partitions;
  bool turmoil;  // many elections, and crashes in the middle of them
  Config config;
};

class Cluster {
 public:
  explicit Cluster(std::uint64_t seed) : random_(seed), options_(random_) {
    SetHooks();
    Configuration first;
    for (std::uint64_t i = 1; i <= options_.voters; ++i) first.voters.push_back(NodeId{i});
    if (options_.witness) first.witnesses.push_back(NodeId{options_.voters});
    const std::uint64_t count = options_.voters + options_.spares;
    servers_.reserve(count);
    for (std::uint64_t i = 1; i <= count; ++i) {
      Config config = options_.config;
      config.self = NodeId{i};
      config.seed = random_.Next();
      config.rank = static_cast<std::uint32_t>(random_.Below(3));
      servers_.emplace_back(config, i <= options_.voters ? first : Configuration(), hooks_);
      servers_.back().Start();
    }
  }

  void Chaos() {
    const std::uint64_t steps = kStepsOfChaos * (HasLeases() ? 3 : 1);
    for (std::uint64_t i = 0; i < steps && !testing::Test::HasFailure(); ++i) Act();
  }

  /// Everything works from here on: within so many ticks a proposal commits on all members.
  void Calm() {
    cut_.clear();
    for (SimulatedServer& server : servers_) {
      if (!server.alive()) server.Start();
    }
    Index target;
    Ticket ticket;
    for (int tick = 0; tick < 600 && !testing::Test::HasFailure(); ++tick) {
      Round();
      SimulatedServer* leader = Leader();
      if (leader == nullptr) continue;
      if (done_.count(ticket.value) > 0 && AllHave(target)) return;
      if (done_.count(ticket.value) == 0 && !WaitsAt(*leader, ticket)) {
        ticket = Propose(*leader, &target);
      }
    }
    if (testing::Test::HasFailure()) return;
    ADD_FAILURE() << "no progress after the faults have ended; " << Describe();
  }

  std::size_t committed() const { return committed_.size(); }
  std::size_t resumed() const { return resumed_; }
  std::size_t quiet_ticks() const { return quiet_ticks_; }

 private:
  struct Envelope {
    NodeId from;
    NodeId to;
    std::string bytes;
  };

  SimulatedServer& At(NodeId id) { return servers_[id.value - 1]; }
  SimulatedServer& Any() { return servers_[random_.Below(servers_.size())]; }
  SimulatedServer* Leader() {
    SimulatedServer* latest = nullptr;
    for (SimulatedServer& server : servers_) {
      if (!server.leads()) continue;
      if (latest == nullptr || server.core->Status().term > latest->core->Status().term) {
        latest = &server;
      }
    }
    return latest;
  }

  bool HasLeases() const { return options_.config.lease_ticks > 0; }

  void Act() {
    const std::uint64_t dice = random_.Below(100);
    SimulatedServer& server = Any();
    if (dice < 45) {
      DeliverAny();
    } else if (dice < 65) {
      TickSome();
    } else if (dice < 83) {
      if (!server.writing.empty()) CompleteWrite(server);
    } else if (dice < 91) {
      Client(server);
    } else if (dice < 94) {
      Operate(server);
    } else {
      Disturb(server);
    }
    for (SimulatedServer& each : servers_) Settle(each);
  }

  void CompleteWrite(SimulatedServer& server) {
    const bool room = server.writing.front().chunks.empty() || !random_.OneIn(4);
    room ? server.CompleteWrite() : server.CompleteWriteWithoutRoom();
  }

  /// Leases rely on a drift bound: with them, ticks come to all servers at once. They come rarely,
  /// and partitions last, so that an old leader is there when a new one has waited for its lease.
  void TickSome() {
    if (HasLeases() && !random_.OneIn(3)) return;
    if (!HasLeases() && random_.OneIn(2)) {
      if (SimulatedServer& server = Any(); server.alive()) Tick(server);
      return;
    }
    for (SimulatedServer& server : servers_) {
      if (server.alive()) Tick(server);
    }
  }

  /// What a core calls quiet must bring nothing up, since a shell may keep it back.
  void Tick(SimulatedServer& server) {
    const std::uint64_t quiet = server.core->QuietTicks();
    const CoreStatus before = server.core->Status();
    server.core->Tick();
    if (quiet == 0) return;
    Output output;
    EXPECT_FALSE(server.core->TakeOutput(&output)) << "in one of " << quiet << " quiet ticks";
    EXPECT_EQ(server.core->Status().role, before.role);
    EXPECT_EQ(server.core->Status().leader, before.leader);
    EXPECT_EQ(server.core->Status().commit, before.commit);
    EXPECT_GE(server.core->QuietTicks() + 1, quiet);
    ++quiet_ticks_;
  }

  void Client(SimulatedServer& any) {
    if (random_.OneIn(3)) return Read(random_.OneIn(4) ? any : SomeLeader(any));
    SimulatedServer* leader = Leader();
    SimulatedServer& server = leader != nullptr && !random_.OneIn(4) ? *leader : any;
    Index index;
    if (server.alive()) Propose(server, &index);
  }

  void Read(SimulatedServer& server) {
    const Ticket ticket{++last_ticket_};
    const std::uint64_t floor = committed_.size();
    if (server.alive() && server.core->Read(ticket).ok()) reads_[ticket.value] = floor;
  }

  /// Any of those that think they lead: one that was deposed and does not know is the danger.
  SimulatedServer& SomeLeader(SimulatedServer& otherwise) {
    std::vector<SimulatedServer*> leaders;
    for (SimulatedServer& server : servers_) {
      if (server.leads()) leaders.push_back(&server);
    }
    return leaders.empty() ? otherwise : *leaders[random_.Below(leaders.size())];
  }

  Ticket Propose(SimulatedServer& server, Index* index) {
    const Ticket ticket{++last_ticket_};
    std::string data(8 + random_.Below(40), 'x');
    StoreLittle(data.data(), ticket.value);
    const Proposed proposed = server.core->Propose(ticket, SharedBytes::Copy(data));
    if (!proposed.answer.ok()) return {};
    *index = proposed.position.index;
    waiting_[ticket.value] = {server.id(), server.life};
    return ticket;
  }
  /// A server that was removed may never hear what became of its proposals.
  bool WaitsAt(const SimulatedServer& server, Ticket ticket) const {
    const auto found = waiting_.find(ticket.value);
    return found != waiting_.end() && found->second.first == server.id();
  }

  void Operate(SimulatedServer& server) {
    if (!server.alive()) return;
    switch (random_.Below(4)) {
      case 0:
        if (server.applied > Index{}) {
          (void)server.Compact(random_.Below(10), 8 + random_.Below(100));
        }
        return;
      case 1:
        if (options_.membership && server.leads()) ChangeMembership(server);
        return;
      case 2:
        (void)server.core->Transfer(random_.OneIn(2) ? kNobody : Any().id());
        return;
      default:
        (void)server.core->Campaign();
    }
  }

  void ChangeMembership(SimulatedServer& server) {
    Configuration target;
    for (const SimulatedServer& each : servers_) {
      const std::uint64_t dice = random_.Below(10);
      if (options_.witness && each.id().value == options_.voters) {  // a witness or nothing
        if (dice < 3) continue;
        target.witnesses.push_back(each.id());
        target.voters.push_back(each.id());
      } else if (dice < 6) {
        target.voters.push_back(each.id());
      } else if (dice < 8) {
        target.learners.push_back(each.id());
      }
    }
    const bool now = random_.OneIn(4);
    (void)server.core->ChangeMembership({}, target,
                                        now ? Newcomers::kAreCaughtUp : Newcomers::kCatchUp);
  }

  void Disturb(SimulatedServer& server) {
    const std::uint64_t dice = random_.Below(options_.turmoil ? 16 : 10);
    if (dice < options_.crashes) {
      Crash(server, random_.Below(server.writing.size() + 1));
    } else if (dice < 6) {
      if (!server.alive()) server.Start();
    } else if (dice < 7 && options_.partitions) {
      cut_.insert({server.id(), Any().id()});
    } else if (dice < 8 && options_.partitions) {
      Isolate(SomeLeaderOr(server));
    } else if (dice < 10) {
      if (!HasLeases() || random_.OneIn(5)) cut_.clear();
    } else if (dice < 13) {
      Flicker(SomeLeaderOr(server));
    } else {
      CampaignTogether();
    }
  }

  SimulatedServer& SomeLeaderOr(SimulatedServer& server) {
    SimulatedServer* leader = Leader();
    return leader != nullptr && random_.OneIn(2) ? *leader : server;
  }

  void Crash(SimulatedServer& server, std::size_t written) {
    if (!server.alive()) return;
    ForgetWaiting(server);
    server.Crash(written);
  }

  /// Down and up again before anybody notices, with nothing of what it was writing.
  void Flicker(SimulatedServer& server) {
    Crash(server, 0);
    server.Start();
  }

  /// Several at once, often in the same term.
  void CampaignTogether() {
    for (SimulatedServer& server : servers_) {
      if (server.alive() && random_.OneIn(2)) (void)server.core->Campaign();
    }
  }

  void Isolate(const SimulatedServer& server) {
    for (const SimulatedServer& other : servers_) {
      cut_.insert({server.id(), other.id()});
      cut_.insert({other.id(), server.id()});
    }
  }

  void ForgetWaiting(const SimulatedServer& server) {
    std::erase_if(waiting_, [&](const auto& w) { return w.second.first == server.id(); });
  }

  void DeliverAny() {
    if (network_.empty()) return;
    const std::size_t pick = random_.OneIn(3) ? random_.Below(network_.size()) : 0;
    const Envelope envelope = network_[pick];
    if (random_.Below(100) >= options_.duplication) {
      network_.erase(network_.begin() + static_cast<std::ptrdiff_t>(pick));
    }
    if (random_.Below(100) < options_.loss) return;
    Deliver(envelope);
  }

  void Deliver(const Envelope& envelope) {
    SimulatedServer& to = At(envelope.to);
    if (!to.alive() || cut_.count({envelope.from, envelope.to}) > 0) return;
    const auto message = DecodeMessage(SharedBytes::Copy(envelope.bytes));
    ASSERT_TRUE(message.has_value());
    const Answer answer = to.core->Step(envelope.from, *message);
    EXPECT_TRUE(answer.ok()) << answer.why;
    Output output;
    if (to.core->settled()) EXPECT_FALSE(to.core->TakeOutput(&output));
  }

  /// A tick of good times: all writes and messages arrive.
  void Round() {
    for (SimulatedServer& server : servers_) server.core->Tick();
    for (int hop = 0; hop < 8; ++hop) {
      for (SimulatedServer& server : servers_) {
        server.CompleteWrites();
        Settle(server);
      }
      const std::vector<Envelope> sent = std::exchange(network_, {});
      for (const Envelope& envelope : sent) Deliver(envelope);
    }
  }

  bool AllHave(Index target) {
    SimulatedServer* leader = Leader();
    if (leader == nullptr || leader->core->Membership().joint()) return false;
    for (const NodeId member : Members(leader->core->Membership())) {
      if (!IsWitness(leader->core->Membership(), member) && At(member).applied < target) {
        return false;
      }
    }
    return true;
  }

  void SetHooks() {
    hooks_.send = [this](SimulatedServer& from, NodeId to, const Message& message) {
      if (network_.size() < 500) network_.push_back({from.id(), to, EncodeMessage(message)});
    };
    hooks_.persist = [this](SimulatedServer& server, const Persist& batch) {
      CheckLogMatching(server, batch);
    };
    hooks_.apply = [this](SimulatedServer& server, const Entry& entry) { OnApply(server, entry); };
    hooks_.restore = [this](SimulatedServer& server, const SnapshotMeta& meta) {
      EXPECT_EQ(server.hash, hashes_[meta.last.index.value]) << "a snapshot of another state";
    };
    hooks_.mine = [this](SimulatedServer& server, Committed::Mine mine) { OnMine(server, mine); };
    hooks_.lost = [this](SimulatedServer& server, const Lost& lost) { OnLost(server, lost); };
    hooks_.read = [this](SimulatedServer& server, const ReadState& read) { OnRead(server, read); };
  }

  /// Election safety and leader completeness (thesis, figure 3.2).
  void Settle(SimulatedServer& server) {
    if (!server.alive()) return;
    server.Pump();
    const CoreStatus status = server.core->Status();
    if (status.role != RoleName::kLeader) return;
    const auto [known, fresh] = leaders_.insert({status.term.value, server.id()});
    EXPECT_EQ(known->second, server.id()) << "two leaders in term " << status.term.value;
    if (!fresh) return;
    EXPECT_GE(server.image.last().value, committed_.size()) << "a leader without committed entries";
    for (const Entry& entry : server.image.log) {
      if (entry.index.value > committed_.size()) break;
      EXPECT_EQ(entry.term, committed_[entry.index.value - 1].term) << "leader completeness";
    }
  }

  /// What it is where it is whole.
  static EntryKind KindOf(const Entry& entry) {
    return entry.kind == EntryKind::kOmitted ? EntryKind::kCommand : entry.kind;
  }

  /// Two logs that hold an entry of the same index and term are the same up to it.
  void CheckLogMatching(SimulatedServer& server, const Persist& batch) {
    for (const Entry& entry : batch.entries) {
      const Entry* before = server.image.Find(entry.index - 1);
      if (before == nullptr) continue;
      const auto [known, fresh] = entries_.insert(
          {{entry.index.value, entry.term.value}, {before->term.value, KindOf(entry)}});
      EXPECT_EQ(known->second.first, before->term.value) << "log matching";
      EXPECT_EQ(known->second.second, KindOf(entry)) << "log matching";
    }
  }

  /// Counts changes of membership that a later leader has gone on with.
  void NoteConfiguration(const Entry& entry) {
    if (entry.kind != EntryKind::kConfiguration) return;
    const std::optional<Configuration> next = DecodeConfiguration(entry.data.view());
    ASSERT_TRUE(next);
    if (next->joint() && waiting_since_ && entry.term > *waiting_since_) ++resumed_;
    waiting_since_.reset();
    if (next->waits()) waiting_since_ = entry.term;
  }

  /// State machine safety, and each proposal at most once.
  void OnApply(SimulatedServer& server, const Entry& entry) {
    const std::uint64_t index = entry.index.value;
    if (index == committed_.size() + 1) {
      committed_.push_back(entry);
      NoteConfiguration(entry);
      hashes_[index] = server.hash;
      if (entry.kind == EntryKind::kCommand) {
        const auto ticket = LoadLittle<std::uint64_t>(entry.data.data());
        EXPECT_TRUE(applied_.insert(ticket).second) << "applied twice";
        EXPECT_EQ(certainly_lost_.count(ticket), 0u) << "reported as certainly lost";
      }
    }
    ASSERT_LE(index, committed_.size());
    EXPECT_EQ(committed_[index - 1], entry) << "state machine safety at " << index;
    EXPECT_EQ(hashes_[index], server.hash);
  }

  void OnMine(SimulatedServer& server, Committed::Mine mine) {
    Conclude(server, mine.ticket);
    done_.insert(mine.ticket.value);
    const Entry& entry = committed_.at(mine.index.value - 1);
    EXPECT_EQ(LoadLittle<std::uint64_t>(entry.data.data()), mine.ticket.value);
  }

  void OnLost(SimulatedServer& server, const Lost& lost) {
    Conclude(server, lost.ticket);
    if (lost.kind == LostKind::kUnknown) return;
    EXPECT_EQ(applied_.count(lost.ticket.value), 0u) << "certainly lost, yet applied";
    certainly_lost_.insert(lost.ticket.value);
  }

  void Conclude(SimulatedServer& server, Ticket ticket) {
    const auto found = waiting_.find(ticket.value);
    ASSERT_NE(found, waiting_.end()) << "ticket " << ticket.value << " concluded twice";
    EXPECT_EQ(found->second, std::make_pair(server.id(), server.life));
    waiting_.erase(found);
  }

  void OnRead(SimulatedServer& server, const ReadState& read) {
    const auto found = reads_.find(read.ticket.value);
    ASSERT_NE(found, reads_.end()) << "a read answered twice";
    if (read.granted) {
      EXPECT_GE(read.index.value, found->second) << "a stale read";
      EXPECT_GE(server.applied, read.index);
    }
    reads_.erase(found);
  }

  static std::string Text(const std::vector<NodeId>& nodes) {
    std::string text;
    for (const NodeId node : nodes) text += " " + std::to_string(node.value);
    return text;
  }

  std::string Describe() {
    std::string text;
    for (SimulatedServer& server : servers_) {
      const CoreStatus s = server.core->Status();
      text += std::to_string(server.id().value) + ": term " + std::to_string(s.term.value) +
              " role " + std::to_string(static_cast<int>(s.role)) + " leader " +
              std::to_string(s.leader.value) + " commit " + std::to_string(s.commit.value) +
              " last " + std::to_string(s.last.index.value) + "/" +
              std::to_string(s.last.term.value) + " applied " +
              std::to_string(server.applied.value) + " snap " +
              std::to_string(s.snapshot.index.value) + " vote " + std::to_string(s.vote.value) +
              " voters" + Text(server.core->Membership().voters) + " outgoing" +
              Text(server.core->Membership().outgoing) + " learners" +
              Text(server.core->Membership().learners) + "; ";
      for (const PeerStatus& p : server.core->Peers()) {
        text += "[" + std::to_string(p.id.value) + " " + p.state + " " +
                std::to_string(p.match.value) + "-" + std::to_string(p.next.value) + "]";
      }
    }
    return text;
  }

  Random random_;
  Options options_;
  SimulatedServer::Hooks hooks_;
  std::vector<SimulatedServer> servers_;
  std::vector<Envelope> network_;
  std::set<std::pair<NodeId, NodeId>> cut_;

  std::map<std::uint64_t, NodeId> leaders_;  // by term
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::pair<std::uint64_t, EntryKind>> entries_;
  std::vector<Entry> committed_;
  std::map<std::uint64_t, std::uint64_t> hashes_;
  std::uint64_t last_ticket_ = 0;
  std::map<std::uint64_t, std::pair<NodeId, std::uint64_t>> waiting_;
  std::set<std::uint64_t> done_;
  std::set<std::uint64_t> applied_;
  std::set<std::uint64_t> certainly_lost_;
  std::optional<Term> waiting_since_;  // of the configuration in force, if it waits for voters
  std::size_t resumed_ = 0;
  std::size_t quiet_ticks_ = 0;
  std::map<std::uint64_t, std::uint64_t> reads_;  // ticket to the least index it may see
};

std::uint64_t Number(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 100;
#else
constexpr std::uint64_t kSeeds = 3000;
#endif

/// TRIREME_SEED=n runs that seed alone; TRIREME_SEEDS=n as many.
TEST(RandomSchedules, AreSafeAndThenMakeProgress) {
  const std::uint64_t first = Number("TRIREME_SEED", 1);
  const std::uint64_t count =
      Number("TRIREME_SEEDS", std::getenv("TRIREME_SEED") == nullptr ? kSeeds : 1);
  std::size_t committed = 0;
  std::size_t resumed = 0;
  std::size_t quiet_ticks = 0;
  for (std::uint64_t seed = first; seed < first + count && !HasFailure(); ++seed) {
    SCOPED_TRACE("TRIREME_SEED=" + std::to_string(seed));
    Cluster cluster(seed);
    cluster.Chaos();
    if (!HasFailure()) cluster.Calm();
    committed += cluster.committed();
    resumed += cluster.resumed();
    quiet_ticks += cluster.quiet_ticks();
  }
  std::printf("%zu entries, %zu changes finished by a later leader\n", committed, resumed);
  if (count >= 100) {
    EXPECT_GT(resumed, 0u);
    EXPECT_GT(quiet_ticks, 0u);
  }
  EXPECT_GT(committed, 5 * count) << "the schedules hardly commit anything";
}

}  // namespace
}  // namespace trireme::raft
