#include "raft/core/config.h"

namespace trireme::raft {

namespace {

constexpr std::uint32_t kTicksMax = 1u << 24;
constexpr std::uint32_t kDriftMax = 500'000;  // clocks that differ by a factor of three
constexpr std::uint32_t kRankMax = 100;

}  // namespace

Answer Validate(const Config& config) {
  const auto refuse = [](const char* why) { return Refuse(Outcome::kInvalid, why); };
  if (config.self == kNobody) return refuse("self is 0, which names nobody");
  if (config.heartbeat_ticks == 0) return refuse("heartbeat_ticks is 0");
  if (config.election_ticks <= config.heartbeat_ticks || config.election_ticks > kTicksMax) {
    return refuse("election_ticks is not above heartbeat_ticks, or is over 16777216");
  }
  if (config.rank > kRankMax) return refuse("rank is over 100");
  if (config.append_bytes_max == 0 || config.append_entries_max == 0) {
    return refuse("append_bytes_max or append_entries_max is 0: nothing could be sent");
  }
  if (config.apply_bytes_max == 0) return refuse("apply_bytes_max is 0");
  if (config.snapshot_chunk_bytes_max == 0 || config.snapshot_streams_max == 0) {
    return refuse("snapshot_chunk_bytes_max or snapshot_streams_max is 0");
  }
  if (config.promotion_rounds_max == 0 || config.promotion_idle_ticks_max == 0) {
    return refuse("promotion_rounds_max or promotion_idle_ticks_max is 0: no learner could vote");
  }
  if (config.lease_ticks > kTicksMax) return refuse("lease_ticks is over 16777216");
  if (config.clock_drift_ppm_max > kDriftMax) {
    return refuse("clock_drift_ppm_max is over 500000 (half the speed)");
  }
  return {};
}

}  // namespace trireme::raft
