#include "raft/replica/members.h"

#include <algorithm>

#include "raft/core/configuration.h"

namespace trireme::raft {

absl::StatusOr<Configuration> ToConfiguration(const std::vector<Member>& members) {
  Configuration configuration;
  for (const Member& member : members) {
    auto& list =
        member.kind == MemberKind::kLearner ? configuration.learners : configuration.voters;
    list.push_back(member.id);
    if (member.kind == MemberKind::kWitness) configuration.witnesses.push_back(member.id);
  }
  for (auto* list : {&configuration.voters, &configuration.learners, &configuration.witnesses}) {
    std::sort(list->begin(), list->end());
  }
  const Answer answer = Validate(configuration);
  if (!answer.ok()) return absl::InvalidArgumentError("members: " + answer.why);
  return configuration;
}

std::vector<Member> ToMembers(const Configuration& configuration) {
  std::vector<Member> members;
  for (const NodeId voter : configuration.voters) {
    members.push_back(
        {voter, "", IsWitness(configuration, voter) ? MemberKind::kWitness : MemberKind::kVoter});
  }
  for (const NodeId learner : configuration.learners) {
    members.push_back({learner, "", MemberKind::kLearner});
  }
  return members;
}

}  // namespace trireme::raft
