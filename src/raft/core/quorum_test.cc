#include "raft/core/quorum.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"

namespace trireme::raft {
namespace {

using Values = std::map<NodeId, std::uint64_t>;

/// The definition: the greatest candidate value that more than half of the voters have reached.
std::uint64_t DumbMajority(const std::vector<NodeId>& voters, const Values& values) {
  std::uint64_t best = 0;
  for (const NodeId candidate : voters) {
    std::size_t reached = 0;
    for (const NodeId voter : voters) reached += values.at(voter) >= values.at(candidate) ? 1 : 0;
    if (2 * reached > voters.size()) best = std::max(best, values.at(candidate));
  }
  return best;
}

std::uint64_t DumbQuorum(const Configuration& configuration, const Values& values) {
  const std::uint64_t incoming = DumbMajority(configuration.voters, values);
  if (!configuration.joint()) return incoming;
  return std::min(incoming, DumbMajority(configuration.outgoing, values));
}

std::vector<NodeId> NodesIn(std::uint32_t mask) {
  std::vector<NodeId> nodes;
  for (std::uint64_t bit = 0; bit < 32; ++bit) {
    if ((mask >> bit) & 1) nodes.push_back(NodeId{bit + 1});
  }
  return nodes;
}

std::uint64_t Quorum(const Configuration& configuration, const Values& values) {
  return QuorumValue(configuration, [&](NodeId node) { return values.at(node); });
}

/// All configurations of up to four servers, joint ones included, with all values of 0 to 2.
TEST(Quorum, ValueIsTheDumbTwinsExhaustively) {
  constexpr std::uint32_t kServers = 4;
  for (std::uint32_t voters = 0; voters < 1u << kServers; ++voters) {
    for (std::uint32_t outgoing = 0; outgoing < 1u << kServers; ++outgoing) {
      const Configuration configuration{NodesIn(voters), NodesIn(outgoing), {}, {}};
      for (std::uint32_t code = 0; code < 81; ++code) {
        Values values;
        for (std::uint32_t i = 0, rest = code; i < kServers; ++i, rest /= 3) {
          values[NodeId{i + 1}] = rest % 3;
        }
        ASSERT_EQ(Quorum(configuration, values), DumbQuorum(configuration, values))
            << voters << " " << outgoing << " " << code;
      }
    }
  }
}

TEST(Quorum, ValueIsTheDumbTwinsForManyServers) {
  Random random(1);
  for (int i = 0; i < 3000; ++i) {
    const Configuration configuration{NodesIn(static_cast<std::uint32_t>(random.Next())),
                                      NodesIn(static_cast<std::uint32_t>(random.Next())),
                                      {},
                                      {}};
    Values values;
    for (std::uint64_t node = 1; node <= 32; ++node) values[NodeId{node}] = random.Below(20);
    ASSERT_EQ(Quorum(configuration, values), DumbQuorum(configuration, values));
  }
}

/// Votes are won when every way the missing ones may fall wins, lost when none does.
VoteResult DumbVote(const std::vector<NodeId>& voters, std::uint32_t granted,
                    std::uint32_t refused) {
  bool may_win = false;
  bool may_lose = false;
  for (std::uint32_t rest = 0; rest < 16; ++rest) {
    if ((rest & granted) != granted || (rest & refused) != 0) continue;
    std::size_t yes = 0;
    for (const NodeId voter : voters) yes += (rest >> (voter.value - 1)) & 1;
    (2 * yes > voters.size() ? may_win : may_lose) = true;
  }
  if (may_win && may_lose) return VoteResult::kPending;
  return may_win ? VoteResult::kWon : VoteResult::kLost;
}

TEST(Quorum, VoteIsTheDumbTwinsExhaustively) {
  for (std::uint32_t voters = 1; voters < 16; ++voters) {
    for (std::uint32_t granted = 0; granted < 16; ++granted) {
      for (std::uint32_t refused = 0; refused < 16; ++refused) {
        if ((granted & refused) != 0) continue;
        const auto vote_of = [&](NodeId node) -> std::optional<bool> {
          if ((granted >> (node.value - 1)) & 1) return true;
          if ((refused >> (node.value - 1)) & 1) return false;
          return std::nullopt;
        };
        ASSERT_EQ(MajorityVote(NodesIn(voters), vote_of),
                  DumbVote(NodesIn(voters), granted, refused));
      }
    }
  }
}

TEST(Quorum, JointVoteNeedsBothMajorities) {
  const Configuration joint{NodesIn(0b111), NodesIn(0b111000), {}, {}};
  const auto result = [&](std::uint32_t granted, std::uint32_t refused) {
    return QuorumVote(joint, [&](NodeId node) -> std::optional<bool> {
      if ((granted >> (node.value - 1)) & 1) return true;
      if ((refused >> (node.value - 1)) & 1) return false;
      return std::nullopt;
    });
  };
  EXPECT_EQ(result(0b000111, 0), VoteResult::kPending);
  EXPECT_EQ(result(0b011011, 0), VoteResult::kWon);
  EXPECT_EQ(result(0b000111, 0b011000), VoteResult::kLost);
}

TEST(Quorum, NobodyDecidesNothing) {
  const Configuration empty;
  EXPECT_EQ(QuorumValue(empty, [](NodeId) -> std::uint64_t { return 7; }), 0u);
  EXPECT_NE(QuorumVote(empty, [](NodeId) -> std::optional<bool> { return true; }),
            VoteResult::kWon);
}

}  // namespace
}  // namespace trireme::raft
