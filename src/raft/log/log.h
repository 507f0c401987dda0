#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <trireme/raft/log_store.h>
#include <trireme/raft/types.h>
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "io/disk.h"
#include "raft/log/options.h"

namespace trireme::raft {

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
/// RESOURCE_EXHAUSTED of a Write means that the disk is full. After a fatal error `Open` finds what
/// the disk holds.
class Log final : public LogStore {
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

  ~Log() override;
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  /// The bytes of the entries go to the disk from where they are.
  [[nodiscard]] absl::StatusOr<BatchNumber> Write(std::span<const GroupWrite> groups) override;
  std::uint64_t batch_bytes_max() const override;
  [[nodiscard]] absl::StatusOr<BatchNumber> Sync() override;
  bool syncs_beside_writes() const override { return true; }
  bool bypasses_cache() const override;
  [[nodiscard]] absl::StatusOr<std::vector<Entry>> Read(GroupId group, Index first, Index last,
                                                        std::uint64_t bytes_max) const override;
  [[nodiscard]] absl::StatusOr<std::unique_ptr<SnapshotWriter>> CreateSnapshot(
      GroupId group, LogPosition last) override;
  [[nodiscard]] absl::StatusOr<SharedBytes> ReadSnapshot(GroupId group, Index snapshot,
                                                         std::uint64_t offset,
                                                         std::uint64_t bytes_max) const override;
  /// Frees segments and snapshots that no group needs and prepares spare segments.
  [[nodiscard]] absl::Status Housekeep() override;
  bool wants_housekeeping() const override;
  bool fatal() const override;

  LogStats Stats() const;

 private:
  class State;
  explicit Log(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trireme::raft
