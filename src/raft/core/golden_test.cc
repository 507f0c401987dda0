// Named scenarios with all that happens in them: golden/*.txt. Lines that begin with '#' say what a
// scenario is about, those with '>' are commands, all others are what the servers did.
//
//   TRIREME_GOLDEN=write build/bin/raft_core_tests --gtest_filter='*Golden*'
//
// rewrites them; review the difference. The commands:
//   servers N [spare M] [lease T] [witness W] [nopre] [noquorum] [nonoop] [window K] [batch K] ...
//   log S TERM...        S has stored a log with these terms, and the last term as current
//   term S T             S has stored this term, with no vote in it
//   elect S              S times out; all messages and writes arrive until nothing is left
//   timeout S            S times out; its messages wait
//   propose S TEXT [bytes B] [times N]     tickets count from 1
//   tick S|all N         N ticks; then as with elect
//   pass S N             N ticks; its messages wait
//   run                  all messages and writes arrive, until nothing is left
//   deliver S T          the messages from S to T that wait now, arrive
//   drop S T             they are lost
//   swap S T             they arrive in the reverse order
//   write S              what S is writing becomes durable
//   cut S...             from now on these lose all messages from and to the others
//   heal                 ... until now
//   crash S, start S     what was not durable is lost
//   compact S KEEP BYTES a snapshot; KEEP entries before it stay in the log
//   change S voters N... learners N... witnesses N... [now]    now: newcomers need not catch up
//   quietly ...          the same, but nothing of it is written down
//   transfer S T, read S, unreachable S T, status
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "raft/core/describe.h"
#include "raft/core/simulated_server.h"

namespace trireme::raft {
namespace {

using Words = std::vector<std::string>;

class Script {
 public:
  Script() {
    hooks_.send = [this](SimulatedServer& from, NodeId to, const Message& message) {
      network_.push_back({from.id(), to, message});
    };
    hooks_.persist = [](SimulatedServer&, const Persist&) {};
    hooks_.apply = [this](SimulatedServer& server, const Entry& entry) {
      const bool command = entry.kind == EntryKind::kCommand;
      applied_[server.id()] += " " + Describe(PositionOf(entry)) + "=" +
                               (command ? std::string(entry.data.view()) : KindName(entry));
    };
    hooks_.restore = [this](SimulatedServer& server, const SnapshotMeta& meta) {
      Say(server.id(), "restores the snapshot at " + Describe(meta.last));
    };
    hooks_.mine = [this](SimulatedServer& server, Committed::Mine mine) {
      Say(server.id(), "ticket " + std::to_string(mine.ticket.value) + " committed at " +
                           std::to_string(mine.index.value));
    };
    hooks_.lost = [this](SimulatedServer& server, const Lost& lost) {
      Say(server.id(), "ticket " + std::to_string(lost.ticket.value) + " lost: " + Name(lost.kind));
    };
    hooks_.read = [this](SimulatedServer& server, const ReadState& read) {
      Say(server.id(), "ticket " + std::to_string(read.ticket.value) +
                           (read.granted ? " may read at " + std::to_string(read.index.value)
                                         : std::string(" may not read")));
    };
  }

  std::string Run(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("#", 0) == 0 || line.empty()) out_ += line + "\n";
      if (line.rfind("> ", 0) != 0) continue;
      out_ += line + "\n";
      std::istringstream words(line.substr(2));
      words_.clear();
      for (std::string word; words >> word;) words_.push_back(word);
      const bool quietly = words_[0] == "quietly";
      if (quietly) words_.erase(words_.begin());
      const std::size_t size = out_.size();
      Command();
      PumpAll();
      if (quietly) out_.resize(size);
    }
    return out_;
  }

 private:
  struct Envelope {
    NodeId from;
    NodeId to;
    Message message;
  };
  enum class Order { kAsSent, kReversed };

  void Command() {
    const std::string verb = words_[0];
    if (verb == "servers") return Servers();
    if (verb == "run") return RunDry();
    if (verb == "heal") return cut_.clear();
    if (verb == "status") return Status();
    if (verb == "cut") return Cut();
    if (verb == "tick" && words_[1] == "all") return TickAll(Number(2));
    if (!OfServer(verb, Server(1))) ADD_FAILURE() << "no such command: " << verb;
  }

  bool OfServer(const std::string& verb, SimulatedServer& server) {
    if (verb == "log") {
      StoreLog(server);
    } else if (verb == "term") {
      server.Crash(0);
      server.disk.hard_state = {Term{Number(2)}, kNobody};
      server.Start();
    } else if (verb == "elect" || verb == "timeout") {
      TimeOut(server);
      if (verb == "elect") RunDry();
    } else if (verb == "propose") {
      Propose(server);
    } else if (verb == "tick" || verb == "pass") {
      for (std::uint64_t i = Number(2); i > 0; --i) {
        server.core->Tick();
        PumpAll();
      }
      if (verb == "tick") RunDry();
    } else if (verb == "deliver" || verb == "swap") {
      Deliver(server.id(), NodeId{Number(2)}, verb == "swap" ? Order::kReversed : Order::kAsSent);
    } else if (verb == "drop") {
      Drop(server.id(), NodeId{Number(2)});
    } else if (verb == "write") {
      Write(server);
    } else if (verb == "crash") {
      server.Crash(0);
      seen_.erase(server.id());
    } else if (verb == "start") {
      server.Start();
    } else {
      return Operate(verb, server);
    }
    return true;
  }

  bool Operate(const std::string& verb, SimulatedServer& server) {
    Answer answer;
    if (verb == "compact") {
      answer = server.Compact(Number(2), Number(3));
    } else if (verb == "change") {
      const Newcomers newcomers = Has("now") ? Newcomers::kAreCaughtUp : Newcomers::kCatchUp;
      answer = server.core->ChangeMembership(Ticket{++tickets_}, Target(), newcomers).answer;
    } else if (verb == "transfer") {
      answer = server.core->Transfer(NodeId{Number(2)});
    } else if (verb == "read") {
      answer = server.core->Read(Ticket{++tickets_});
    } else if (verb == "unreachable") {
      server.core->Unreachable(NodeId{Number(2)});
    } else {
      return false;
    }
    if (!answer.ok()) Say(server.id(), "refuses: " + answer.why);
    return true;
  }

  void Servers() {
    Config config;
    config.election_ticks = 10;
    config.heartbeat_ticks = 2;
    config.pre_vote = !Has("nopre");
    config.check_quorum = !Has("noquorum");
    config.leader_noop = !Has("nonoop");
    config.promotion_lag_max = Option("lag", 1000);
    config.lease_ticks = static_cast<std::uint32_t>(Option("lease", 0));
    config.inflight_appends_max = static_cast<std::uint32_t>(Option("window", 64));
    config.append_entries_max = static_cast<std::uint32_t>(Option("batch", 100));
    config.snapshot_chunk_bytes_max = Option("chunk", 100);
    config.log_cache_bytes_max = Option("cache", 1 << 20);
    config.uncommitted_bytes_max = Option("uncommitted", 1 << 20);
    Configuration first;
    for (std::uint64_t i = 1; i <= Number(1); ++i) first.voters.push_back(NodeId{i});
    if (Has("witness")) first.witnesses.push_back(NodeId{Option("witness", 0)});
    const std::uint64_t count = Number(1) + Option("spare", 0);
    servers_.reserve(count);
    for (std::uint64_t i = 1; i <= count; ++i) {
      config.self = NodeId{i};
      config.seed = i;
      servers_.emplace_back(config, i <= Number(1) ? first : Configuration(), hooks_);
      servers_.back().Start();
      seen_[NodeId{i}] = State(servers_.back());
    }
  }

  void StoreLog(SimulatedServer& server) {
    server.Crash(0);
    for (std::size_t i = 2; i < words_.size(); ++i) {
      const Index index = server.disk.last() + 1;
      server.disk.hard_state.term = Term{Number(i)};
      server.disk.log.push_back(
          {index, Term{Number(i)}, EntryKind::kCommand, SharedBytes::Copy("t" + words_[i])});
    }
    server.Start();
  }

  /// Ticks until it asks for votes.
  void TimeOut(SimulatedServer& server) {
    PumpAll();
    for (int i = 0; i < 1000; ++i) {
      const CoreStatus before = server.core->Status();
      const std::size_t sent = network_.size() + server.waiting.size();
      server.core->Tick();
      PumpAll();
      const CoreStatus now = server.core->Status();
      const bool stands = now.role != RoleName::kFollower && now.role != RoleName::kLeader;
      if (stands && (now.role != before.role || now.term != before.term)) return;
      if (stands && network_.size() + server.waiting.size() > sent) return;
    }
    ADD_FAILURE() << "server " << server.id().value << " does not time out";
  }

  void Propose(SimulatedServer& server) {
    const std::string text = words_[2] + std::string(Option("bytes", 0), '.');
    for (std::uint64_t i = Option("times", 1); i > 0; --i) {
      const Proposed proposed = server.core->Propose(Ticket{++tickets_}, SharedBytes::Copy(text));
      if (!proposed.answer.ok()) Say(server.id(), "refuses: " + proposed.answer.why);
    }
  }

  Configuration Target() {
    Configuration target;
    std::vector<NodeId>* list = nullptr;
    for (std::size_t i = 2; i < words_.size(); ++i) {
      if (words_[i] == "voters") {
        list = &target.voters;
      } else if (words_[i] == "learners") {
        list = &target.learners;
      } else if (words_[i] == "witnesses") {
        list = &target.witnesses;
      } else if (words_[i] != "now") {
        list->push_back(NodeId{Number(i)});
      }
    }
    return target;
  }

  void TickAll(std::uint64_t ticks) {
    for (; ticks > 0; --ticks) {
      for (SimulatedServer& server : servers_) {
        if (server.alive()) server.core->Tick();
      }
      RunDry();
    }
  }

  void Cut() {
    for (std::size_t i = 1; i < words_.size(); ++i) cut_.insert(NodeId{Number(i)});
  }

  /// Across the cut nothing passes.
  bool Passes(const Envelope& envelope) {
    return cut_.count(envelope.from) == cut_.count(envelope.to) && At(envelope.to).alive();
  }

  void RunDry() {
    for (int rounds = 0; rounds < 1000; ++rounds) {
      PumpAll();
      bool quiet = network_.empty();
      for (SimulatedServer& server : servers_) {
        if (server.writing.empty()) continue;
        quiet = false;
        Write(server);
      }
      if (quiet) return;
      for (const Envelope& envelope : std::exchange(network_, {})) Step(envelope);
    }
    ADD_FAILURE() << "the servers do not come to rest";
  }

  void Step(const Envelope& envelope) {
    const bool passes = Passes(envelope);
    Line(std::to_string(envelope.from.value) + (passes ? " -> " : " -x ") +
         std::to_string(envelope.to.value) + "  " + Describe(envelope.message));
    if (!passes) return;
    const Answer answer = At(envelope.to).core->Step(envelope.from, envelope.message);
    if (!answer.ok()) Say(envelope.to, "refuses: " + answer.why);
    PumpAll();
  }

  std::vector<Envelope> Take(NodeId from, NodeId to) {
    std::vector<Envelope> taken;
    std::vector<Envelope> left;
    for (Envelope& envelope : network_) {
      (envelope.from == from && envelope.to == to ? taken : left).push_back(std::move(envelope));
    }
    network_ = std::move(left);
    EXPECT_FALSE(taken.empty()) << "nothing waits from " << from.value << " to " << to.value;
    return taken;
  }

  void Deliver(NodeId from, NodeId to, Order order) {
    PumpAll();
    std::vector<Envelope> taken = Take(from, to);
    if (order == Order::kReversed) std::reverse(taken.begin(), taken.end());
    for (const Envelope& envelope : taken) Step(envelope);
  }

  void Drop(NodeId from, NodeId to) {
    PumpAll();
    for (const Envelope& envelope : Take(from, to)) {
      Line(std::to_string(from.value) + " -x " + std::to_string(to.value) + "  " +
           Describe(envelope.message));
    }
  }

  void Write(SimulatedServer& server) {
    server.Pump();
    while (!server.writing.empty()) {
      Say(server.id(), "has written" + Describe(server.writing.front()));
      server.CompleteWrite();
    }
    PumpAll();
  }

  void PumpAll() {
    for (SimulatedServer& server : servers_) {
      if (!server.alive()) continue;
      server.Pump();
      if (std::string& applied = applied_[server.id()]; !applied.empty()) {
        Say(server.id(), "applies" + std::exchange(applied, {}));
      }
      std::string state = State(server);
      std::string& seen = seen_[server.id()];
      if (state != seen) Say(server.id(), "is " + state);
      seen = std::move(state);
    }
  }

  static std::string State(const SimulatedServer& server) {
    const CoreStatus status = server.core->Status();
    std::string text = Name(status.role);
    if (status.role == RoleName::kFollower && status.leader != kNobody) {
      text += " of " + std::to_string(status.leader.value);
    }
    text += " in term " + std::to_string(status.term.value);
    const Configuration& members = server.core->Membership();
    if (server.life > 0 && members != server.disk.snapshot.configuration) {
      text += "," + Describe(members);
    }
    return text;
  }

  void Status() {
    for (SimulatedServer& server : servers_) {
      if (!server.alive()) {
        Say(server.id(), "is down");
        continue;
      }
      const CoreStatus status = server.core->Status();
      std::string text = "has log";
      if (status.snapshot.index > Index{}) text += " [" + Describe(status.snapshot) + "]";
      text += Describe(server.image.log) + ", commit " + std::to_string(status.commit.value) +
              ", members" + Describe(server.core->Membership());
      for (const PeerStatus& peer : server.core->Peers()) {
        text += "; " + std::to_string(peer.id.value) + ": " + peer.state + ", match " +
                std::to_string(peer.match.value);
      }
      Say(server.id(), text);
    }
  }

  static std::string KindName(const Entry& entry) {
    return entry.kind == EntryKind::kNoop ? "(no-op)" : "(members)";
  }
  void Say(NodeId server, const std::string& text) {
    Line(std::to_string(server.value) + " " + text);
  }
  void Line(const std::string& text) { out_ += "    " + text + "\n"; }

  SimulatedServer& At(NodeId id) { return servers_.at(id.value - 1); }
  SimulatedServer& Server(std::size_t word) { return At(NodeId{Number(word)}); }
  std::uint64_t Number(std::size_t word) const { return std::stoull(words_.at(word)); }
  bool Has(const std::string& word) const {
    return std::find(words_.begin(), words_.end(), word) != words_.end();
  }
  std::uint64_t Option(const std::string& name, std::uint64_t otherwise) const {
    const auto found = std::find(words_.begin(), words_.end(), name);
    return found == words_.end() ? otherwise : std::stoull(*(found + 1));
  }

  SimulatedServer::Hooks hooks_;
  std::vector<SimulatedServer> servers_;
  std::vector<Envelope> network_;
  std::set<NodeId> cut_;
  std::uint64_t tickets_ = 0;
  Words words_;
  std::map<NodeId, std::string> applied_;
  std::map<NodeId, std::string> seen_;
  std::string out_;
};

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> Scenarios() {
  std::vector<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(TRIREME_RAFT_GOLDEN)) {
    names.push_back(file.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, HappensAsItDid) {
  const auto path = std::filesystem::path(TRIREME_RAFT_GOLDEN) / (GetParam() + ".txt");
  const std::string expected = ReadFile(path);
  ASSERT_FALSE(expected.empty()) << path;
  const std::string said = Script().Run(expected);
  if (const char* mode = std::getenv("TRIREME_GOLDEN"); mode != nullptr) {
    if (std::string(mode) == "write") std::ofstream(path) << said;
  }
  EXPECT_EQ(said, expected) << "reviewed and right? then TRIREME_GOLDEN=write";
}

INSTANTIATE_TEST_SUITE_P(Scenarios, Golden, testing::ValuesIn(Scenarios()),
                         [](const auto& name) { return name.param; });

}  // namespace
}  // namespace trireme::raft
