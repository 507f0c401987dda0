#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace trireme::sim {

/// Everything about a world that is not drawn while it runs; all of it is drawn from the seed, and
/// any of it can be set by name. Every number is of one type so that options can be printed, read
/// and turned off by one table (docs/simulator.md has it).
struct Options {
  using Number = std::uint64_t;

  Number seed = 1;

  // The cluster.
  Number voters = 3;   ///< Nodes 1 to `voters`.
  Number spares = 0;   ///< Further nodes, for changes of membership to take in.
  Number witness = 0;  ///< 1: the last voter is a witness.
  Number tick_us = 10'000;
  Number election_ticks = 15;
  Number heartbeat_ticks = 4;
  Number pre_vote = 1;
  Number check_quorum = 1;
  Number leader_noop = 1;
  Number lease_ticks = 0;
  Number clock_drift_ppm_max = 1'000;  ///< What the cores believe.
  Number clock_drift_ppm = 0;          ///< What the clocks do; with leases at most as much.
  Number append_entries_max = 64;
  Number inflight_appends_max = 16;
  Number log_cache_bytes_max = 4'096;
  Number snapshot_chunk_bytes_max = 512;
  Number snapshot_every = 200;    ///< Applied entries between a node's own snapshots. 0: none.
  Number snapshot_log_bytes = 0;  ///< Bytes of applied entries between them. 0: do not count.
  Number keep_entries = 20;       ///< Of the log, behind a snapshot.

  // The network.
  Number latency_min_us = 300;
  Number latency_mean_us = 700;  ///< Above the minimum; exponential.
  Number loss_ppm = 0;
  Number duplicate_ppm = 0;
  Number reorder_ppm = 0;  ///< Held back for up to reorder_us.
  Number reorder_us = 500'000;

  // The storage.
  Number sync_us = 2'000;   ///< Mean; exponential.
  Number slow_disk_ms = 0;  ///< Mean time between disks that take 20 times as long for a while.

  Number log_storage = 0;  ///< 1: the durable log's own code over a disk in memory.
  Number log_segment_kib = 64;
  Number log_restore_bytes_max = 1u << 20;
  Number housekeep_ms = 1'000;

  // Faults: the mean time between two of a kind. 0: none.
  Number crash_ms = 0;
  Number crash_leader_ms = 0;
  Number crash_all_ms = 0;
  Number stumble_ms = 0;  ///< A node crashes and starts again within a millisecond.
  Number pause_ms = 0;
  Number partition_ms = 0;  ///< Any set of links, also in one direction only.
  Number isolate_leader_ms = 0;
  Number transfer_ms = 0;
  Number campaign_ms = 0;  ///< One or two nodes at a time.
  Number membership_ms = 0;
  Number snapshot_ms = 0;  ///< At a node and moment of no meaning.
  // Of the disk, with log_storage.
  Number full_disk_ms = 0;
  Number sync_fails_ms = 0;
  Number power_off_ms = 0;        ///< In the middle of an operation of the disk.
  Number damage_ms = 0;           ///< A minority of the voters at most; each is replaced when it
                                  ///< has noticed.
  Number controller_away_ms = 0;  ///< A controller of a sharded store dies, or is cut off.
  Number fault_mean_ms = 800;     ///< How long each of them lasts.

  // A sharded store: clusters of three servers beside the store of the configurations.
  Number groups = 0;
  Number controllers = 0;

  // The clients.
  Number clients = 3;
  Number keys = 3;
  Number think_us = 30'000;  ///< Mean pause between two operations of one client.
  Number timeout_ms = 400;   ///< Then the client asks again, or gives up:
  Number give_up_ppm = 200'000;
  Number read_ppm = 400'000;      ///< Of the operations.
  Number log_read_ppm = 100'000;  ///< Of the reads: as an entry of the log.
  Number follower_ppm = 300'000;  ///< Asked of any node instead of the leader.

  // The run.
  Number safety_ms = 20'000;  ///< Faults until then.
  Number settle_ms = 15'000;  ///< After it all must be well within this.

  /// All of it from the seed.
  static Options Draw(Number seed);

  [[nodiscard]] absl::Status Set(std::string_view name, std::string_view value);
  [[nodiscard]] absl::Status Validate() const;
  /// "name=value ..." of those that differ from `base`.
  std::string Difference(const Options& base) const;
  std::string Text() const;

  friend bool operator==(const Options&, const Options&) = default;
};

struct OptionField {
  std::string_view name;
  Options::Number Options::*number;
  /// A failure is easier to read when this is 0 (or, not being a fault, is left alone).
  bool is_fault;
};
std::span<const OptionField> OptionFields();

}  // namespace trireme::sim
