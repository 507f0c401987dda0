#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "raft/core/types.h"

/// Majorities, and joint majorities: "agreement requires separate majorities from both the old and
/// the new configurations" (thesis, 4.3).
namespace trireme::raft {

/// Voters of one configuration; ChangeMembership refuses more.
inline constexpr std::size_t kVotersMax = 64;

enum class VoteResult : std::uint8_t { kPending, kWon, kLost };

/// The greatest value that a majority of `voters` has reached; 0 without voters. `value_of` maps a
/// NodeId to what that voter has reached.
template <typename ValueOf>
std::uint64_t MajorityValue(const std::vector<NodeId>& voters, const ValueOf& value_of) {
  if (voters.empty()) return 0;
  std::array<std::uint64_t, kVotersMax> values;
  const auto end = std::transform(voters.begin(), voters.end(), values.begin(), value_of);
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>((voters.size() - 1) / 2);
  std::nth_element(values.begin(), nth, end);
  return *nth;
}

/// The greatest value that a quorum of the configuration has reached: a commit index from match
/// indexes, a confirmed round from acknowledged rounds, a time from times of hearing.
template <typename ValueOf>
std::uint64_t QuorumValue(const Configuration& configuration, const ValueOf& value_of) {
  const std::uint64_t incoming = MajorityValue(configuration.voters, value_of);
  if (!configuration.joint()) return incoming;
  return std::min(incoming, MajorityValue(configuration.outgoing, value_of));
}

/// `vote_of` maps a NodeId to an optional<bool>: granted, refused, or not heard of yet.
template <typename VoteOf>
VoteResult MajorityVote(const std::vector<NodeId>& voters, const VoteOf& vote_of) {
  std::size_t granted = 0;
  std::size_t refused = 0;
  for (const NodeId voter : voters) {
    const std::optional<bool> vote = vote_of(voter);
    granted += vote.value_or(false) ? 1 : 0;
    refused += vote.value_or(true) ? 0 : 1;
  }
  const std::size_t majority = voters.size() / 2 + 1;
  if (granted >= majority) return VoteResult::kWon;
  return voters.size() - refused < majority ? VoteResult::kLost : VoteResult::kPending;
}

template <typename VoteOf>
VoteResult QuorumVote(const Configuration& configuration, const VoteOf& vote_of) {
  const VoteResult incoming = MajorityVote(configuration.voters, vote_of);
  if (!configuration.joint()) return incoming;
  const VoteResult outgoing = MajorityVote(configuration.outgoing, vote_of);
  if (incoming == VoteResult::kLost || outgoing == VoteResult::kLost) return VoteResult::kLost;
  return incoming == outgoing ? incoming : VoteResult::kPending;
}

}  // namespace trireme::raft
