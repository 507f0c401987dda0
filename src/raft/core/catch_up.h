#pragma once

#include <cstdint>

#include "raft/core/config.h"
#include "raft/core/progress.h"
#include "raft/core/types.h"

namespace trireme::raft {

/// A learner on its way to a vote. Replication to it is seen in rounds, each up to the leader's last
/// entry at its beginning; after a round shorter than an election timeout it lacks no more than
/// what arrives in about as long again (thesis, 4.2.1, figure 4.5).
class CatchUp {
 public:
  enum class Stage { kGoing, kReady, kTooSlow, kStandsStill };

  CatchUp(NodeId id, Index last, std::uint64_t now)
      : id_(id), round_end_(last), round_tick_(now), moved_tick_(now) {}

  NodeId id() const { return id_; }
  bool ready() const { return ready_; }
  /// To be asked at least once a tick. `last` is the leader's last entry.
  Stage Look(const Progress& peer, Index last, std::uint64_t now, const Config& config);

 private:
  void NoteMoves(const Progress& peer, std::uint64_t now);

  NodeId id_;
  Index round_end_;
  std::uint64_t round_tick_;
  std::uint32_t rounds_ = 0;  // that are over
  Index match_;
  std::uint64_t offset_ = 0;
  std::uint64_t moved_tick_;
  bool ready_ = false;
};

}  // namespace trireme::raft
