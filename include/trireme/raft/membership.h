#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <trireme/raft/types.h>

namespace trireme::raft {

enum class MemberKind : std::uint8_t {
  kVoter,
  kLearner,  ///< Receives the log, does not vote.
  kWitness,  ///< Votes, but keeps no commands, has no state and never leads.
};

struct Member {
  NodeId id;
  /// Where its Host is reached, as the transport understands it. Empty: this Host knows already.
  std::string address;
  MemberKind kind = MemberKind::kVoter;
  friend bool operator==(const Member&, const Member&) = default;
};

}  // namespace trireme::raft
