#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <trireme/raft/bytes.h>
#include <trireme/raft/types.h>
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace trireme::raft {

/// One of the Raft groups that share a process and its log.
struct GroupId {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(GroupId, GroupId) = default;
};

/// Names what one Write wrote; greater ones are later. All up to the one that Sync returned are
/// durable.
struct BatchNumber {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(BatchNumber, BatchNumber) = default;
};

/// What the log knows of a group's latest snapshot; the bytes are elsewhere.
struct LogSnapshot {
  LogPosition last;  ///< The last entry it covers. Index 0: there is none.
  std::uint64_t size_bytes = 0;
  SharedBytes configuration;  ///< As of `last`, encoded.
  friend bool operator==(const LogSnapshot&, const LogSnapshot&) = default;
};

/// The parts of one group's batch, which become durable together or not at all. They take effect in
/// the order of the fields.
struct GroupWrite {
  GroupId group;
  std::optional<HardState> hard_state;
  /// Its bytes are finished (SnapshotWriter::Finish), unless last.index is 0: then there is none
  /// and it says only which configuration the group begins with. When the log does not hold exactly
  /// the entry `last`, all its entries leave; otherwise those that drop_to says.
  std::optional<LogSnapshot> snapshot;
  /// Entries up to this one leave the log; at most the snapshot's last. 0: none.
  Index drop_to;
  /// Without gaps, and following on what the log holds; what it holds from entries[0].index on is
  /// dropped first.
  std::span<const Entry> entries;
  /// The group ceases to exist, with its snapshot. The other fields are empty.
  bool forget = false;
};

/// What one group left behind.
struct RecoveredGroup {
  GroupId group;
  HardState hard_state;
  LogSnapshot snapshot;
  LogPosition dropped_to;  ///< The log begins after it.
  LogPosition last;        ///< Of the log; dropped_to when it is empty.
  /// The end of the log, possibly bounded. Not empty unless the log is.
  std::vector<Entry> entries;
  /// Of the log's entries below `entries`: their terms, and those that are configurations.
  std::vector<TermRun> older_terms;
  std::vector<Entry> older_configurations;
};

/// Writes the bytes of one snapshot, from its front to its end. Destroyed unfinished, it leaves
/// nothing. One thread.
class SnapshotWriter {
 public:
  virtual ~SnapshotWriter() = default;
  /// Before the first Append: takes room for exactly `size_bytes`, so that it is known before they
  /// come whether they fit. RESOURCE_EXHAUSTED: they do not. May do nothing.
  [[nodiscard]] virtual absl::Status Reserve(std::uint64_t /*size_bytes*/) {
    return absl::OkStatus();
  }
  /// RESOURCE_EXHAUSTED when the disk is full: the snapshot is lost, the log is not.
  [[nodiscard]] virtual absl::Status Append(std::string_view bytes) = 0;
  /// What has been appended: the offset of the next byte.
  virtual std::uint64_t size_bytes() const = 0;
  /// Makes it durable. Then GroupWrite::snapshot may name it.
  [[nodiscard]] virtual absl::Status Finish() = 0;
};

/// Where the Raft groups of a process keep term, vote, log and snapshots: a seam. Ours are the
/// durable one on disk and one in memory; whoever brings another runs the conformance suite
/// (conformance.h) on it.
///
///   store->Write(batches of whatever groups)    once for all that wait
///   store->Sync()                               then they are durable
///
/// Thread-safe. Write and Sync come one at a time, or from one thread each where
/// syncs_beside_writes; Read and snapshots from any, Housekeep from one that may wait for the disk.
///
/// Errors: RESOURCE_EXHAUSTED means that there is no room and that nothing of the batch has been
/// written: try again later. INVALID_ARGUMENT, NOT_FOUND and OUT_OF_RANGE change nothing; DATA_LOSS
/// of a read names the place of the damage. A failed write or sync is fatal: what is stored is
/// unknown, every later call fails with the same status (`fatal` is true), and the process has to
/// start over from what is found there.
class LogStore {
 public:
  virtual ~LogStore() = default;

  /// Writes the batches of several groups as one, in the order given (a group may occur again) and
  /// after all written before. All of it survives a crash or nothing.
  [[nodiscard]] virtual absl::StatusOr<BatchNumber> Write(std::span<const GroupWrite> groups) = 0;
  /// What one Write may carry: the data of its entries, 32 bytes for each of them and 128 for each
  /// group, and configurations. More is INVALID_ARGUMENT.
  virtual std::uint64_t batch_bytes_max() const = 0;

  /// Makes all that was written before the call durable; up to which batch.
  [[nodiscard]] virtual absl::StatusOr<BatchNumber> Sync() = 0;

  /// Whether Write and Sync may wait for a device. False: the caller need not keep them off a
  /// thread that has other things to do.
  virtual bool waits() const { return true; }

  /// Whether Sync may come from another thread while Write is under way; it then promises nothing
  /// of that Write. False: the two take turns.
  virtual bool syncs_beside_writes() const { return false; }

  /// Whether what is written goes straight to a device, and not through the system's cache: for
  /// whoever watches, as the other way takes more of the processor's time.
  virtual bool bypasses_cache() const { return false; }

  /// Entries from `first` on, up to `last`; at least one, and otherwise at most bytes_max of data.
  /// OUT_OF_RANGE when the log does not hold `first`.
  [[nodiscard]] virtual absl::StatusOr<std::vector<Entry>> Read(GroupId group, Index first,
                                                                Index last,
                                                                std::uint64_t bytes_max) const = 0;

  /// Begins a snapshot, one at a time for the same group and position. It counts when
  /// GroupWrite::snapshot has named it; one that nobody names is gone after a restart.
  /// ALREADY_EXISTS when the group has one that is as new.
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<SnapshotWriter>> CreateSnapshot(
      GroupId group, LogPosition last) = 0;
  /// Up to bytes_max bytes of the group's latest snapshot from `offset` on; fewer only at its end.
  /// NOT_FOUND when that is not at `snapshot` any more.
  [[nodiscard]] virtual absl::StatusOr<SharedBytes> ReadSnapshot(GroupId group, Index snapshot,
                                                                 std::uint64_t offset,
                                                                 std::uint64_t bytes_max) const = 0;

  /// Frees what no group needs and prepares room: to be called about once a second.
  /// RESOURCE_EXHAUSTED: there was no room to prepare.
  [[nodiscard]] virtual absl::Status Housekeep() = 0;

  /// Whether Housekeep should not wait until the second is over. Asked after every Sync.
  virtual bool wants_housekeeping() const { return false; }

  /// The store is of no more use.
  virtual bool fatal() const = 0;
};

}  // namespace trireme::raft
