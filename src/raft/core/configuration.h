#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "raft/core/types.h"

/// Configurations: their bytes, what is valid, and which of them holds where in the log.
namespace trireme::raft {

bool IsVoter(const Configuration& configuration, NodeId node);  ///< Of either half while joint.
bool IsLearner(const Configuration& configuration, NodeId node);
bool IsWitness(const Configuration& configuration, NodeId node);
bool IsMember(const Configuration& configuration, NodeId node);
/// Everybody a leader replicates to, itself included; sorted.
std::vector<NodeId> Members(const Configuration& configuration);

/// Sorted lists, no duplicates, learners that do not vote, at most kVotersMax. A witness need not
/// be a member: a snapshot for one says what it is.
Answer Validate(const Configuration& configuration);
/// Whether `target` may follow `active`, apart from who has caught up.
Answer ValidateChange(const Configuration& active, const Configuration& target);

/// C_old,new: `target` with the voters of `active` beside its own (thesis, 4.3).
Configuration EnterJoint(const Configuration& active, const Configuration& target);
/// C_new.
Configuration LeaveJoint(const Configuration& joint);

/// What it is to be when its new voters have caught up; waits().
Configuration GoalOf(const Configuration& configuration);
/// The same when that is given up.
Configuration WithoutGoal(const Configuration& configuration);

/// The data of a kConfiguration entry. docs/formats/raft-messages.md.
std::string EncodeConfiguration(const Configuration& configuration);
std::optional<Configuration> DecodeConfiguration(std::string_view bytes);

/// The configurations of a log. "A server always uses the latest configuration in its log,
/// regardless of whether the entry is committed" (thesis, 4.1), so a truncation takes one back.
class ConfigurationHistory {
 public:
  ConfigurationHistory(Index at, Configuration configuration);

  const Configuration& active() const { return history_.back().configuration; }
  /// Where the active one stands in the log.
  Index active_index() const { return history_.back().index; }
  const Configuration& At(Index index) const;

  void Append(Index index, Configuration configuration);
  void TruncateFrom(Index index);
  /// Forgets what held before `index` only.
  void CompactTo(Index index);
  void Reset(Index at, Configuration configuration);

 private:
  struct Since {
    Index index;
    Configuration configuration;
  };
  std::vector<Since> history_;  // never empty; by index
};

}  // namespace trireme::raft
