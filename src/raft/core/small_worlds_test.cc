// Every schedule of a small cluster, as far as the bounds reach: three servers, few campaigns,
// proposals and crashes; any message may arrive at any time or never, and any write may complete
// before or after what else happens. Worlds are explored breadth first, so the shortest way to
// something wrong is found first.
//
// A core's state is what its inputs have made of it. So two schedules in which each server has had
// the same inputs in the same order, and the same messages are under way, are the same world, and
// only one of them is gone on from.
#include <deque>
#include <map>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>

#include "gtest/gtest.h"
#include "raft/core/codec.h"
#include "raft/core/simulated_server.h"

namespace trireme::raft {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kWorldsMax = 3'000;
#else
constexpr std::size_t kWorldsMax = 60'000;
#endif

struct Bounds {
  std::size_t campaigns = 2;
  std::size_t proposals = 1;
  std::size_t crashes = 1;
};

struct Action {
  enum class Kind { kCampaign, kPropose, kWrite, kCrash, kDeliver };
  Kind kind;
  std::size_t which = 0;  // a server, or a message under way
};
using Schedule = std::vector<Action>;

class World {
 public:
  World() {
    hooks_.send = [this](SimulatedServer& from, NodeId to, const Message& message) {
      network_.insert({EncodeMessage(message), from.id(), to});
    };
    hooks_.persist = [](SimulatedServer&, const Persist&) {};
    hooks_.restore = [](SimulatedServer&, const SnapshotMeta&) {};
    hooks_.mine = [](SimulatedServer&, Committed::Mine) {};
    hooks_.lost = [](SimulatedServer&, const Lost&) {};
    hooks_.read = [](SimulatedServer&, const ReadState&) {};
    hooks_.apply = [this](SimulatedServer&, const Entry& entry) {
      const auto [known, fresh] = committed_.insert({entry.index.value, entry});
      EXPECT_EQ(known->second, entry) << "state machine safety";
    };
    Config config;
    config.pre_vote = config.check_quorum = false;
    servers_.reserve(3);
    for (std::uint64_t i = 1; i <= 3; ++i) {
      config.self = NodeId{i};
      config.seed = i;
      servers_.emplace_back(config, Configuration{{NodeId{1}, NodeId{2}, NodeId{3}}, {}, {}, {}},
                            hooks_);
      servers_.back().Start();
    }
  }

  void Run(const Schedule& schedule) {
    for (const Action& action : schedule) Do(action);
  }

  /// What may happen next.
  Schedule Choices(const Bounds& bounds) const {
    Schedule choices;
    for (std::size_t i = 0; i < servers_.size(); ++i) {
      const SimulatedServer& server = servers_[i];
      if (!server.writing.empty()) choices.push_back({Action::Kind::kWrite, i});
      if (campaigns_ < bounds.campaigns && !server.leads()) {
        choices.push_back({Action::Kind::kCampaign, i});
      }
      if (proposals_ < bounds.proposals && server.leads()) {
        choices.push_back({Action::Kind::kPropose, i});
      }
      if (crashes_ < bounds.crashes) choices.push_back({Action::Kind::kCrash, i});
    }
    for (std::size_t i = 0; i < network_.size(); ++i) {
      choices.push_back({Action::Kind::kDeliver, i});
    }
    return choices;
  }

  /// The same for worlds that are the same.
  std::string Fingerprint() const {
    std::string text;
    for (const std::string& inputs : inputs_) AppendSized(text, inputs);
    for (const Envelope& envelope : network_) AppendEnvelope(envelope, &text);
    return text;
  }

  std::size_t committed() const { return committed_.size(); }

 private:
  struct Envelope {
    std::string bytes;
    NodeId from;
    NodeId to;
    auto operator<=>(const Envelope&) const = default;
  };

  static void AppendEnvelope(const Envelope& envelope, std::string* text) {
    AppendVarint(*text, envelope.from.value);
    AppendVarint(*text, envelope.to.value);
    AppendSized(*text, envelope.bytes);
  }

  void Do(const Action& action) {
    if (action.kind == Action::Kind::kDeliver) {
      Deliver(
          network_.extract(std::next(network_.begin(), static_cast<long>(action.which))).value());
    } else {
      Act(action.kind, servers_[action.which], &inputs_[action.which]);
    }
    for (SimulatedServer& server : servers_) Settle(server);
  }

  void Deliver(const Envelope& envelope) {
    AppendEnvelope(envelope, &inputs_[envelope.to.value - 1]);
    SimulatedServer& to = servers_[envelope.to.value - 1];
    const Answer answer =
        to.core->Step(envelope.from, *DecodeMessage(SharedBytes::Copy(envelope.bytes)));
    EXPECT_TRUE(answer.ok()) << answer.why;
  }

  void Act(Action::Kind kind, SimulatedServer& server, std::string* input) {
    input->push_back(static_cast<char>(0x80 + static_cast<int>(kind)));
    switch (kind) {
      case Action::Kind::kCampaign:
        ++campaigns_;
        return (void)server.core->Campaign();
      case Action::Kind::kPropose:
        ++proposals_;
        return (void)server.core->Propose({}, SharedBytes::Copy("x"));
      case Action::Kind::kWrite:
        return server.CompleteWrite();
      default:
        ++crashes_;
        server.Crash(0);
        return server.Start();
    }
  }

  /// Election safety and leader completeness (thesis, figure 3.2).
  void Settle(SimulatedServer& server) {
    server.Pump();
    if (!server.leads()) return;
    const auto [known, fresh] = leaders_.insert({server.core->Status().term.value, server.id()});
    EXPECT_EQ(known->second, server.id()) << "election safety";
    if (!fresh) return;
    for (const auto& [index, entry] : committed_) {
      const Entry* here = server.image.Find(Index{index});
      ASSERT_NE(here, nullptr) << "leader completeness";
      EXPECT_EQ(here->term, entry.term) << "leader completeness";
    }
  }

  SimulatedServer::Hooks hooks_;
  std::vector<SimulatedServer> servers_;
  std::set<Envelope> network_;  // duplicates change nothing that a message may not
  std::string inputs_[3];
  std::map<std::uint64_t, Entry> committed_;
  std::map<std::uint64_t, NodeId> leaders_;
  std::size_t campaigns_ = 0;
  std::size_t proposals_ = 0;
  std::size_t crashes_ = 0;
};

std::string Text(const Schedule& schedule) {
  constexpr const char* kNames[] = {"campaign", "propose", "write", "crash", "deliver"};
  std::string text;
  for (const Action& action : schedule) {
    text += std::string(" ") + kNames[static_cast<int>(action.kind)] + " " +
            std::to_string(action.which);
  }
  return text;
}

/// Returns how many entries at most were committed in a world.
std::size_t Explore(const Bounds& bounds, Schedule beginning) {
  std::unordered_set<std::string> seen;
  std::deque<Schedule> open{std::move(beginning)};
  std::size_t committed = 0;
  while (!open.empty() && seen.size() < kWorldsMax && !testing::Test::HasFailure()) {
    const Schedule schedule = std::move(open.front());
    open.pop_front();
    World world;
    world.Run(schedule);
    if (testing::Test::HasFailure()) ADD_FAILURE() << "after" << Text(schedule);
    if (!seen.insert(world.Fingerprint()).second) continue;
    committed = std::max(committed, world.committed());
    for (const Action& action : world.Choices(bounds)) {
      open.push_back(schedule);
      open.back().push_back(action);
    }
  }
  return committed;
}

TEST(SmallWorlds, TwoCampaignsFromNothing) {
  Explore({}, {});
}

/// Both stand in the same term, and a voter may forget what it has not stored.
TEST(SmallWorlds, TwoCandidatesOfATerm) {
  using Kind = Action::Kind;
  Explore({2, 0, 1},
          {{Kind::kCampaign, 0}, {Kind::kWrite, 0}, {Kind::kCampaign, 2}, {Kind::kWrite, 2}});
}

/// From a leader on, so that the bound reaches commits, and a second leader after them.
TEST(SmallWorlds, ALeaderIsFollowedByAnother) {
  using Kind = Action::Kind;
  const Schedule beginning{{Kind::kCampaign, 0}, {Kind::kWrite, 0},   {Kind::kDeliver, 0},
                           {Kind::kWrite, 1},    {Kind::kDeliver, 1}, {Kind::kWrite, 0}};
  World world;
  world.Run(beginning);
  EXPECT_GT(Explore({2, 1, 1}, beginning), 0u) << "the bounds are too small to commit anything";
}

}  // namespace
}  // namespace trireme::raft
