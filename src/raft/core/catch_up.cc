#include "raft/core/catch_up.h"

namespace trireme::raft {

void CatchUp::NoteMoves(const Progress& peer, std::uint64_t now) {
  const auto* snapshot = std::get_if<SendSnapshot>(&peer.state);
  const std::uint64_t offset = snapshot == nullptr ? 0 : snapshot->offset;
  if (peer.match == match_ && offset == offset_) return;
  match_ = peer.match;
  offset_ = offset;
  moved_tick_ = now;
}

CatchUp::Stage CatchUp::Look(const Progress& peer, Index last, std::uint64_t now,
                             const Config& config) {
  if (ready_) return Stage::kReady;
  NoteMoves(peer, now);
  if (match_ < round_end_) {
    const bool moves = now - moved_tick_ < config.promotion_idle_ticks_max;
    return moves ? Stage::kGoing : Stage::kStandsStill;
  }
  ready_ = now - round_tick_ < config.election_ticks || last - match_ <= config.promotion_lag_max;
  if (ready_) return Stage::kReady;
  if (++rounds_ >= config.promotion_rounds_max) return Stage::kTooSlow;
  round_end_ = last;
  round_tick_ = now;
  return Stage::kGoing;
}

}  // namespace trireme::raft
