#pragma once

#include <cstdint>

#include <trireme/raft/types.h>

namespace trireme::raft {

/// Every number the core decides by; docs/raft-core.md has them as a table with their arithmetic.
/// A tick is what the shell makes it, 10 ms for instance; all members should have about the same.
struct Config {
  NodeId self;
  std::uint64_t seed = 0;  ///< All randomness. Different on every member.

  /// A follower that hears from no leader for a time drawn anew from [election_ticks,
  /// 2 * election_ticks) starts an election.
  std::uint32_t election_ticks = 20;
  std::uint32_t heartbeat_ticks = 4;  ///< A leader sends at least this often; < election_ticks.
  bool pre_vote = true;               ///< Poll before raising the term (thesis, 9.6).
  /// A leader that hears from no quorum for election_ticks steps down (thesis, 6.2), and who has
  /// heard from a leader within election_ticks gives no vote (thesis, 4.2.3).
  bool check_quorum = true;
  /// A new leader appends an empty entry, so that older terms' entries commit at once
  /// (thesis, 6.4).
  bool leader_noop = true;
  /// Rank 0 tries first; each rank below waits half an election timeout longer.
  std::uint32_t rank = 0;

  std::uint64_t append_bytes_max = 1u << 20;    ///< Entries' data in one append; always one entry.
  std::uint32_t append_entries_max = 4096;      ///< Entries in one append.
  std::uint32_t inflight_appends_max = 64;      ///< Unanswered appends per follower. 0: no limit.
  std::uint64_t inflight_bytes_max = 8u << 20;  ///< Their data; at least one append. 0: no limit.

  std::uint64_t proposal_bytes_max = 16u << 20;     ///< One proposal's data.
  std::uint64_t uncommitted_bytes_max = 64u << 20;  ///< Of a leader's log; more proposals: kBusy.
  std::uint64_t apply_bytes_max = 4u << 20;         ///< Committed data in one output.
  /// Entries' data kept in memory for lagging followers. Older ones are asked of the shell
  /// (Output::log_reads) when a follower needs them. What is not yet durable and applied stays.
  std::uint64_t log_cache_bytes_max = 64u << 20;

  std::uint64_t snapshot_chunk_bytes_max = 1u << 20;
  std::uint32_t snapshot_streams_max = 2;  ///< Followers that are sent a snapshot at one time.
  std::uint32_t snapshot_chunks_per_tick_max = 0;  ///< For all streams together. 0: no limit.

  std::uint32_t reads_max = 65'536;  ///< Waiting reads, own and followers' requests; more: kBusy.

  /// A leader reads on the strength of its log alone for this long after it appended an entry that
  /// has committed since (Davis, Demirbas & Deng, "LeaseGuard", SIGMOD '26). 0: never.
  std::uint32_t lease_ticks = 0;
  /// How much faster or slower than true time a member's ticks may come. A new leader commits
  /// nothing until an older lease is over by the slowest permitted clock.
  std::uint32_t clock_drift_ppm_max = 1'000;

  /// A learner may become a voter when it lacks at most so many entries, or has caught up with what
  /// there was at the beginning of a round in less than election_ticks (thesis, 4.2.1).
  std::uint64_t promotion_lag_max = 1'000;
  std::uint32_t promotion_rounds_max = 10;  ///< Rounds; then the change is given up.
  /// So long may a learner neither store an entry nor a part of a snapshot; then likewise.
  std::uint32_t promotion_idle_ticks_max = 1'000;
};

}  // namespace trireme::raft
