#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/log_entry.h"
#include "io/disk.h"
#include "raft/log/group_write.h"
#include "raft/log/options.h"
#include "raft/log/snapshot_writer.h"
#include "raft/log/vocabulary.h"

namespace trireme::raft {

/// What one group left behind.
struct RecoveredGroup {
  GroupId group;
  HardState hard_state;
  LogSnapshot snapshot;
  LogPosition dropped_to;  ///< The log begins after it.
  LogPosition last;        ///< Of the log; dropped_to when it is empty.
  /// The end of the log, bounded by LogOptions::restore_bytes_max. Not empty unless the log is.
  std::vector<Entry> entries;
  /// Of the log's entries below `entries`: their terms, and those that are configurations.
  std::vector<TermRun> older_terms;
  std::vector<Entry> older_configurations;
};

struct LogStats {
  std::uint64_t segments = 0;
  std::uint64_t spare_segments = 0;
  std::uint64_t bytes = 0;       ///< Of the segments' files, spare ones included.
  std::uint64_t live_bytes = 0;  ///< Of entries that a group still has, as framed.
  std::uint64_t batches = 0;     ///< Written since Open.
  std::uint64_t syncs = 0;       ///< Of segments, since Open.
  std::uint64_t index_points = 0;
};

/// The durable log of all Raft groups of a process: one sequence of batches in segments, so that
/// one sync makes durable what all groups wrote. docs/formats/raft-log.md is the format.
///
///   log->Write(batches of whatever groups)    once for all that wait
///   log->Sync()                               then they are durable
///
/// Thread-safe. Write and Sync are meant for one thread, Read and snapshots for any, Housekeep for
/// one that may wait for the disk.
///
/// Errors: RESOURCE_EXHAUSTED means that the disk is full and that nothing of the batch has been
/// written: try again when there is room. INVALID_ARGUMENT, NOT_FOUND and OUT_OF_RANGE change
/// nothing; DATA_LOSS of a read names the file and the offset of the damage. A failed write, sync
/// or rename of the log is fatal: what the disk holds is unknown, every later call fails with the
/// same status (`fatal` is true), and the process has to start over from what Open finds.
class Log {
 public:
  struct Opened {
    std::unique_ptr<Log> log;
    std::vector<RecoveredGroup> groups;  ///< By id.
    /// Of which traces were found behind the end of the log: nobody was told they are durable.
    std::uint64_t torn_batches = 0;
  };

  /// Makes the directory if need be and takes it for this process. FAILED_PRECONDITION when another
  /// has it, or when it belongs to another cluster or node; DATA_LOSS, with file and offset, for
  /// damage that no crash explains. Neither changes anything. `disk` must outlive the log.
  [[nodiscard]] static absl::StatusOr<Opened> Open(const LogOptions& options, io::Disk* disk);

  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// Writes the batches of several groups as one, in the order given (a group may occur again) and
  /// after all written before. All of it survives a crash or nothing. The bytes of the entries go
  /// to the disk from where they are.
  [[nodiscard]] absl::StatusOr<BatchNumber> Write(std::span<const GroupWrite> groups);
  /// What one Write may carry: the data of its entries, 32 bytes for each of them and 128 for each
  /// group, and configurations. More is INVALID_ARGUMENT.
  std::uint64_t batch_bytes_max() const;

  /// Makes all that was written before the call durable; up to which batch.
  [[nodiscard]] absl::StatusOr<BatchNumber> Sync();

  /// Entries from `first` on, up to `last`; at least one, and otherwise at most bytes_max of data.
  /// OUT_OF_RANGE when the log does not hold `first`.
  [[nodiscard]] absl::StatusOr<std::vector<Entry>> Read(GroupId group, Index first, Index last,
                                                        std::uint64_t bytes_max) const;

  /// Begins the file of a snapshot, one at a time for the same group and position. It counts when
  /// GroupWrite::snapshot has named it; one that nobody names is removed by the next Open.
  /// ALREADY_EXISTS when the group has one that is as new.
  [[nodiscard]] absl::StatusOr<std::unique_ptr<SnapshotWriter>> CreateSnapshot(GroupId group,
                                                                               LogPosition last);
  /// Up to bytes_max bytes of the group's latest snapshot from `offset` on; fewer only at its end.
  /// NOT_FOUND when that is not at `snapshot` any more.
  [[nodiscard]] absl::StatusOr<SharedBytes> ReadSnapshot(GroupId group, Index snapshot,
                                                         std::uint64_t offset,
                                                         std::uint64_t bytes_max) const;

  /// Frees segments and snapshots that no group needs and prepares spare segments: to be called
  /// now and then. RESOURCE_EXHAUSTED: there was no room for spare segments.
  [[nodiscard]] absl::Status Housekeep();

  /// The log is of no more use; why.
  bool fatal() const;

  LogStats Stats() const;

 private:
  class State;
  explicit Log(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trireme::raft
