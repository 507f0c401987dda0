#include "raft/core/configuration.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/archive.h"
#include "base/check.h"
#include "raft/core/quorum.h"

namespace trireme::raft {

template <class A>
void Fields(A& archive, NodeId& node) {
  archive(node.value);
}
template <class A>
void Fields(A& archive, Configuration::Goal& goal) {
  archive(goal.voters, goal.learners, goal.witnesses, goal.guests);
}
template <class A>
void Fields(A& archive, Configuration& configuration) {
  archive(configuration.voters, configuration.outgoing, configuration.learners,
          configuration.witnesses, configuration.goal);
}

namespace {

using Nodes = std::vector<NodeId>;

bool Has(const Nodes& nodes, NodeId node) {
  return std::binary_search(nodes.begin(), nodes.end(), node);
}

bool IsSortedSet(const Nodes& nodes) {
  return std::adjacent_find(nodes.begin(), nodes.end(), std::greater_equal<>()) == nodes.end() &&
         (nodes.empty() || nodes.front() != kNobody);
}

Nodes Union(const Nodes& a, const Nodes& b) {
  Nodes all;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(all));
  return all;
}

std::string Name(NodeId node) {
  return "server " + std::to_string(node.value);
}

}  // namespace

bool IsVoter(const Configuration& configuration, NodeId node) {
  return Has(configuration.voters, node) || Has(configuration.outgoing, node);
}
bool IsLearner(const Configuration& configuration, NodeId node) {
  return Has(configuration.learners, node);
}
bool IsWitness(const Configuration& configuration, NodeId node) {
  return Has(configuration.witnesses, node);
}
bool IsMember(const Configuration& configuration, NodeId node) {
  return IsVoter(configuration, node) || IsLearner(configuration, node);
}
std::vector<NodeId> Members(const Configuration& configuration) {
  return Union(Union(configuration.voters, configuration.outgoing), configuration.learners);
}

namespace {

/// What the goal takes for granted, so that no leader stumbles over it.
Answer ValidateGoal(const Configuration& configuration) {
  const Configuration::Goal& goal = configuration.goal;
  if (goal == Configuration::Goal{}) return {};
  if (configuration.joint() || goal.voters.empty() || !IsSortedSet(goal.guests)) {
    return Refuse(Outcome::kInvalid, "a change that waits is of an impossible form");
  }
  for (const NodeId voter : goal.voters) {
    if (IsMember(configuration, voter)) continue;
    return Refuse(Outcome::kInvalid, Name(voter) + " is to vote but is no member");
  }
  for (const NodeId guest : goal.guests) {
    if (Has(configuration.learners, guest)) continue;
    return Refuse(Outcome::kInvalid, Name(guest) + " is to leave but is no learner");
  }
  return ValidateChange(configuration, GoalOf(configuration));
}

}  // namespace

Answer Validate(const Configuration& configuration) {
  for (const Nodes* nodes : {&configuration.voters, &configuration.outgoing,
                             &configuration.learners, &configuration.witnesses}) {
    if (!IsSortedSet(*nodes)) {
      return Refuse(Outcome::kInvalid, "a list of servers is not sorted, repeats one or has id 0");
    }
  }
  if (configuration.voters.size() > kVotersMax || configuration.outgoing.size() > kVotersMax) {
    return Refuse(Outcome::kInvalid, "more than " + std::to_string(kVotersMax) + " voters");
  }
  for (const NodeId learner : configuration.learners) {
    if (Has(configuration.voters, learner)) {
      return Refuse(Outcome::kInvalid, Name(learner) + " is both voter and learner");
    }
  }
  if (configuration.joint() && configuration.voters.empty()) {
    return Refuse(Outcome::kInvalid, "a joint configuration without incoming voters");
  }
  return ValidateGoal(configuration);
}

namespace {

/// What a log has, it has: a server is a witness from its first entry on, or never.
Answer ValidateWitnesses(const Configuration& active, const Configuration& target) {
  for (const NodeId witness : target.witnesses) {
    if (!IsMember(target, witness)) {
      return Refuse(Outcome::kInvalid, Name(witness) + " is a witness but no member");
    }
  }
  for (const NodeId node : Members(target)) {
    if (!IsMember(active, node) || IsWitness(active, node) == IsWitness(target, node)) continue;
    const char* was = IsWitness(active, node) ? " has kept no commands" : " has kept commands";
    return Refuse(Outcome::kInvalid, Name(node) + was +
                                         "; remove it, empty its directory and add it as what it "
                                         "is to be");
  }
  return {};
}

}  // namespace

Answer ValidateChange(const Configuration& active, const Configuration& target) {
  if (Answer answer = Validate(target); !answer.ok()) return answer;
  if (target.joint() || target.waits()) {
    return Refuse(Outcome::kInvalid, "the target configuration is joint, or waits for another");
  }
  if (target.voters.empty()) return Refuse(Outcome::kInvalid, "the target has no voter");
  if (std::all_of(target.voters.begin(), target.voters.end(),
                  [&](NodeId voter) { return IsWitness(target, voter); })) {
    return Refuse(Outcome::kInvalid, "every voter of the target is a witness; nobody could lead");
  }
  return ValidateWitnesses(active, target);
}

Configuration EnterJoint(const Configuration& active, const Configuration& target) {
  Configuration joint = target;
  joint.outgoing = active.voters;
  joint.witnesses = Union(active.witnesses, target.witnesses);
  return joint;
}

Configuration LeaveJoint(const Configuration& joint) {
  Configuration target = joint;
  target.outgoing.clear();
  std::erase_if(target.witnesses, [&](NodeId node) { return !IsMember(target, node); });
  return target;
}

Configuration GoalOf(const Configuration& configuration) {
  Configuration target;
  target.voters = configuration.goal.voters;
  target.learners = configuration.goal.learners;
  target.witnesses = configuration.goal.witnesses;
  return target;
}

Configuration WithoutGoal(const Configuration& configuration) {
  Configuration without = configuration;
  const auto guest = [&](NodeId node) { return Has(configuration.goal.guests, node); };
  std::erase_if(without.learners, guest);
  std::erase_if(without.witnesses, guest);
  without.goal = {};
  return without;
}

std::string EncodeConfiguration(const Configuration& configuration) {
  return EncodeFields(configuration);
}

std::optional<Configuration> DecodeConfiguration(std::string_view bytes) {
  Configuration configuration;
  if (!DecodeFields(bytes, &configuration) || !Validate(configuration).ok()) return std::nullopt;
  return configuration;
}

ConfigurationHistory::ConfigurationHistory(Index at, Configuration configuration) {
  Reset(at, std::move(configuration));
}

const Configuration& ConfigurationHistory::At(Index index) const {
  const auto above = std::upper_bound(history_.begin(), history_.end(), index,
                                      [](Index i, const Since& since) { return i < since.index; });
  TRIREME_CHECK(above != history_.begin());
  return std::prev(above)->configuration;
}

void ConfigurationHistory::Append(Index index, Configuration configuration) {
  TRIREME_CHECK(index > active_index());
  history_.push_back({index, std::move(configuration)});
}

void ConfigurationHistory::TruncateFrom(Index index) {
  while (history_.size() > 1 && history_.back().index >= index) history_.pop_back();
}

void ConfigurationHistory::CompactTo(Index index) {
  while (history_.size() > 1 && history_[1].index <= index) history_.erase(history_.begin());
}

void ConfigurationHistory::Reset(Index at, Configuration configuration) {
  history_.clear();
  history_.push_back({at, std::move(configuration)});
}

}  // namespace trireme::raft
