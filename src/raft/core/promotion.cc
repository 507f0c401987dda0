#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "raft/core/state.h"

/// From learner to voter. A server that votes before it holds the log would be a hole in the
/// quorum, so a change of membership waits for its newcomers (thesis, 4.2.1).
namespace trireme::raft {

namespace {

void Insert(std::vector<NodeId>* nodes, NodeId node) {
  const auto place = std::lower_bound(nodes->begin(), nodes->end(), node);
  if (place == nodes->end() || *place != node) nodes->insert(place, node);
}

std::string Why(CatchUp::Stage stage, NodeId node, const Config& config) {
  const std::string name = "server " + std::to_string(node.value);
  if (stage == CatchUp::Stage::kTooSlow) {
    return name + " still lacked too much after promotion_rounds_max (" +
           std::to_string(config.promotion_rounds_max) + ") rounds; it is slower than the leader";
  }
  return name + " stored nothing for promotion_idle_ticks_max (" +
         std::to_string(config.promotion_idle_ticks_max) + ") ticks; is it running and reachable?";
}

}  // namespace

/// A server is up to date that answers, is being sent entries as they come, and lacks little.
bool Core::State::HasCaughtUp(const Leader& leading, NodeId node) const {
  const Progress* peer = leading.Find(node);
  return peer != nullptr && peer->replicating() && peer->match > Index{} &&
         now_ - peer->heard_tick < config_.election_ticks &&
         log_.last().index - peer->match <= config_.promotion_lag_max;
}

/// The servers that `target` gives a vote and that have not caught up.
std::vector<NodeId> Core::State::NewcomersOf(const Leader& leading,
                                             const Configuration& target) const {
  std::vector<NodeId> newcomers;
  for (const NodeId voter : target.voters) {
    if (voter == self() || IsVoter(active(), voter) || HasCaughtUp(leading, voter)) continue;
    newcomers.push_back(voter);
  }
  return newcomers;
}

/// Makes members of those that are none yet, says in the log what for, and waits.
void Core::State::BeginCatchUp(Leader& leading, Ticket ticket, const Configuration& target,
                               const std::vector<NodeId>& newcomers) {
  PendingChange& change = leading.change.emplace();
  change.ticket = ticket;
  Configuration first = active();
  first.goal = {target.voters, target.learners, target.witnesses, {}};
  for (const NodeId node : newcomers) {
    change.newcomers.emplace_back(node, log_.last().index, now_);
    if (IsMember(active(), node)) continue;
    first.goal.guests.push_back(node);
    Insert(&first.learners, node);
    if (IsWitness(target, node)) Insert(&first.witnesses, node);
  }
  AppendConfiguration(first);
}

/// Goes on with what an earlier leader began.
void Core::State::ResumeCatchUp(Leader& leading) {
  PendingChange& change = leading.change.emplace();
  for (const NodeId node : NewcomersOf(leading, GoalOf(active()))) {
    change.newcomers.emplace_back(node, log_.last().index, now_);
  }
}

void Core::State::AdvanceCatchUp(Leader& leading) {
  if (leading.transfer || configurations_.active_index() > commit_ || !HasCommittedInTerm()) return;
  if (!leading.change && active().waits()) ResumeCatchUp(leading);
  if (!leading.change) return;
  if (leading.change->given_up) return EndGivenUpChange(leading);
  bool ready = true;
  for (CatchUp& newcomer : leading.change->newcomers) {
    const Progress& peer = *leading.Find(newcomer.id());
    const CatchUp::Stage stage = newcomer.Look(peer, log_.last().index, now_, config_);
    if (stage == CatchUp::Stage::kTooSlow || stage == CatchUp::Stage::kStandsStill) {
      why_change_ended_ = Why(stage, newcomer.id(), config_);
      return GiveUpChange(leading);
    }
    ready = ready && stage == CatchUp::Stage::kReady;
  }
  if (!ready) return;
  const PendingChange change = *std::exchange(leading.change, std::nullopt);
  Adopt(change.ticket, GoalOf(active()));
}

/// Those that came for this change leave again.
void Core::State::GiveUpChange(Leader& leading) {
  leading.change->given_up = true;
  AppendConfiguration(WithoutGoal(active()));
}

/// Only now no later leader can go on with it.
void Core::State::EndGivenUpChange(Leader& leading) {
  const PendingChange change = *std::exchange(leading.change, std::nullopt);
  if (change.ticket != Ticket{}) output_.lost.push_back({change.ticket, LostKind::kAbandoned});
}

}  // namespace trireme::raft
