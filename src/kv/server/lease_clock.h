#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "kv/model/requests.h"

namespace trireme::kv::inline engine {

/// Lease time as one member knows it, and what a leader must propose to keep it going
/// (docs/formats/kv-store.md, "Lease time"). `now_ms` in every call: any clock of this process that
/// never goes back. A plain object, one thread at a time.
class LeaseClock {
 public:
  struct Situation {
    bool leads = false;
    std::int64_t state_time_ms = 0;  ///< Of the newest state, as all below.
    std::size_t lease_count = 0;
    std::int64_t next_lease_end_ms = 0;
  };

  /// `extend_ms`: how much longer leases run after an election.
  explicit LeaseClock(std::int64_t extend_ms) : extend_ms_(extend_ms) {}

  /// To be called every now and then: what the leader is to propose, if anything; and then told of
  /// by Proposed.
  std::optional<Command> Next(std::int64_t now_ms, const Situation& now);
  /// What Next gave last has been applied, or it has not and may be tried again.
  void Proposed(bool applied);

  /// What a leader stamps a command with; 0 by others.
  std::int64_t Stamp(std::int64_t now_ms) const { return leading_ ? Now(now_ms) : 0; }
  /// Exact on the leader; elsewhere a guess.
  std::int64_t Now(std::int64_t now_ms) const { return now_ms + offset_ms_; }

 private:
  void BeginTerm(std::int64_t now_ms, const Situation& now);

  const std::int64_t extend_ms_;
  std::int64_t offset_ms_ = 0;
  bool known_ = false;    ///< offset_ms_ has been set.
  bool leading_ = false;  ///< Since the last time that Next was asked.
  bool extended_ = false;
  bool waiting_ = false;  ///< For Proposed.
};

}  // namespace trireme::kv::inline engine
