#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "raft/core/catch_up.h"
#include "raft/core/progress.h"
#include "raft/core/reads.h"
#include "raft/core/types.h"

/// The roles, each with what exists only while a server has it (thesis, 3.3).
namespace trireme::raft {

/// A snapshot that is being received: everything below next_offset is in the batches up to
/// `stored`. When all of it is durable there, it is installed.
struct IncomingSnapshot {
  NodeId from;
  SnapshotMeta meta;
  std::uint64_t next_offset = 0;
  Token stored;
  std::uint64_t round = 0;  ///< Of the latest chunk.

  bool whole() const { return next_offset == meta.size_bytes; }
};

struct Follower {
  std::optional<IncomingSnapshot> incoming;
};

class Votes {
 public:
  void Record(NodeId voter, bool granted) {
    if (!Of(voter)) votes_.emplace_back(voter, granted);
  }
  std::optional<bool> Of(NodeId voter) const {
    for (const auto& [node, granted] : votes_) {
      if (node == voter) return granted;
    }
    return std::nullopt;
  }

 private:
  std::vector<std::pair<NodeId, bool>> votes_;
};

struct PreCandidate {
  Votes votes;
};

struct Candidate {
  Votes votes;
  Token own_vote;  ///< Our own vote counts when this is durable.
};

struct LeadershipTransfer {
  NodeId to;
  std::uint64_t give_up_tick = 0;
  bool told = false;  ///< TimeoutNow is sent.
};

/// This leader's view of the active configuration's goal.
struct PendingChange {
  Ticket ticket;  ///< None: an earlier leader began it.
  std::vector<CatchUp> newcomers;
  bool given_up = false;  ///< The active configuration takes it back.

  NodeId WaitsFor() const {
    for (const CatchUp& newcomer : newcomers) {
      if (!newcomer.ready()) return newcomer.id();
    }
    return kNobody;
  }
};

struct Leader {
  Progress* Find(NodeId id) {
    const auto found = std::lower_bound(peers.begin(), peers.end(), id,
                                        [](const Progress& p, NodeId node) { return p.id < node; });
    return found != peers.end() && found->id == id ? &*found : nullptr;
  }
  const Progress* Find(NodeId id) const { return const_cast<Leader*>(this)->Find(id); }

  std::vector<Progress> peers;  ///< Everybody but this server; sorted by id.
  std::uint32_t ticks_since_heartbeat = 0;
  std::uint32_t ticks_since_tail_check = 0;
  /// Counts the leader's rounds of asking "do I still lead?"; answers name the round they answer.
  std::uint64_t round = 0;
  std::uint64_t uncommitted_bytes = 0;  ///< Data of this term's entries above the commit index.
  std::uint32_t chunks_this_tick = 0;
  LeaderReads reads;
  bool read_by_lease = false;  ///< Since the lease was renewed.
  std::optional<LeadershipTransfer> transfer;
  std::optional<PendingChange> change;
  bool leaving = false;  ///< C_new without this server has committed.
};

using Role = std::variant<Follower, PreCandidate, Candidate, Leader>;

}  // namespace trireme::raft
