#include "sim/sharded/world.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "sim/describe.h"
#include "sim/linear/kv_history.h"
#include "sim/sharded/agents.h"
#include "sim/sharded/fleet.h"
#include "sim/sharded/restless_controller.h"

namespace trireme::sim::sharded {

namespace {

constexpr std::uint64_t kConfigurationsMax = 131'072;
constexpr Options::Number kSnapshotChunkBytesMin = 1'000;
/// A change waits for one group after the other.
constexpr Options::Number kSettleTimes = 3;

class World {
 public:
  World(const Options& options, Trace::Sink sink)
      : fleet_(options, options.groups, std::move(sink)) {
    std::vector<std::vector<ServerId>> groups;
    for (std::uint32_t group = 1; group <= options.groups; ++group) {
      groups.push_back(fleet_.servers(static_cast<GroupId>(group)));
    }
    for (std::uint64_t i = 0; i < options.controllers; ++i) {
      Add<RestlessController>(groups);
    }
    for (std::uint64_t i = 0; i < options.clients; ++i) Add<ClerkAgent>(&history_).Work();
  }

  RunResult Run() {
    fleet_.trace().Line("-------- {}", fleet_.options().Text());
    fleet_.BeginFaults();
    if (fleet_.RunFor(fleet_.options().safety_ms * kMillisecond)) Settle();
    if (violation().empty()) ReadAll();
    if (violation().empty()) fleet_.TellEnd();
    if (violation().empty()) CheckHistory();
    if (!violation().empty()) fleet_.trace().Line("-------- violation: {}", violation());
    return {violation(),     fleet_.queue().now(),       fleet_.events(),
            history_.size(), fleet_.record().commands(), undecided_};
  }

 private:
  template <typename A, typename... Last>
  A& Add(Last&&... last) {
    A& agent = fleet_.Add(std::make_unique<A>(fleet_.next_number(), fleet_.around(),
                                              fleet_.servers(kStore), std::forward<Last>(last)...));
    agents_.push_back(&agent);
    return agent;
  }

  std::string violation() const {
    const std::string of_fleet = fleet_.violation();
    return of_fleet.empty() ? violation_ : of_fleet;
  }

  void Settle() {
    fleet_.EndFaults();
    for (Agent* agent : agents_) agent->BeginLast();
    WaitFor("the last fault");
  }

  void WaitFor(const char* since) {
    const auto done = [this] {
      return std::ranges::all_of(agents_, &Agent::finished) && fleet_.IsSettled();
    };
    const Options::Number settle_ms = fleet_.options().settle_ms;
    if (fleet_.RunUntil(done, settle_ms * kMillisecond) || !violation().empty()) return;
    violation_ = fmt::format("no progress {} ms after {}:{}", settle_ms, since, Standstill());
  }

  std::string Standstill() {
    std::string text;
    for (const Agent* agent : agents_) {
      if (!agent->finished()) text += fmt::format(" {} waits;", Name(agent->address()));
    }
    for (std::uint32_t place = 0; place <= fleet_.options().groups; ++place) {
      const GroupId group = place == 0 ? kStore : static_cast<GroupId>(place);
      const Node* leader = fleet_.Leader(group);
      text += leader == nullptr ? fmt::format(" group {} has no leader;", place)
                                : fmt::format(" {} leads;", Name(leader->address()));
    }
    return text;
  }

  /// Each key once more: what was acknowledged and is lost is not linearizable then.
  void ReadAll() {
    for (Options::Number key = 0; key < fleet_.options().keys; ++key) {
      Add<ClerkAgent>(&history_).Get(fmt::format("{}", key));
    }
    WaitFor("all else was done");
  }

  void CheckHistory() {
    const linear::Verdict verdict =
        linear::CheckKv(history_, {.configurations_max = kConfigurationsMax});
    undecided_ = verdict.conclusion == linear::Conclusion::kUndecided;
    if (verdict.conclusion == linear::Conclusion::kNotLinearizable) {
      violation_ = "not linearizable: " + verdict.why;
    }
  }

  std::vector<linear::KvCall> history_;
  Fleet fleet_;
  std::vector<Agent*> agents_;
  std::string violation_;
  bool undecided_ = false;
};

}  // namespace

Options DrawOptions(Options::Number seed) {
  Options o = Options::Draw(seed);
  Random random(seed * 9'000'011 + 5);
  o.voters = 3;
  o.spares = o.witness = o.membership_ms = o.damage_ms = 0;
  o.leader_noop = 1;
  o.snapshot_chunk_bytes_max = std::max(o.snapshot_chunk_bytes_max, kSnapshotChunkBytesMin);
  o.snapshot_log_bytes = random.OneIn(2) ? 0 : 1'000;
  o.groups = 2 + random.Below(3);
  o.controllers = 1 + random.Below(3);
  o.controller_away_ms = random.OneIn(4) ? 0 : 500 + random.Below(3'500);
  o.keys = 12 + random.Below(49);
  o.safety_ms = 10'000;
  o.settle_ms *= kSettleTimes;
  return o;
}

RunResult Run(const Options& options, Trace::Sink sink) {
  return World(options, std::move(sink)).Run();
}

}  // namespace trireme::sim::sharded
