#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "raft/core/core.h"

namespace trireme::sim {

/// A node's stable storage, as its shell sees it; and, below, as the disk's faults do.
///
/// RESOURCE_EXHAUSTED of a write: there is no room, and nothing of it was written. Any other error
/// of Open, Write, WriteSnapshot, Sync or Housekeep is the end of this life.
class Storage {
 public:
  virtual ~Storage() = default;

  /// What the last life left. DATA_LOSS: it is damaged, and the message says where.
  [[nodiscard]] virtual absl::StatusOr<raft::Restored> Open() = 0;

  /// Stores the chunks of a leader's snapshot that come with `batch`, before its Write, and takes
  /// them out of it if Write is not to have them. RESOURCE_EXHAUSTED: nothing of the snapshot
  /// stays.
  [[nodiscard]] virtual absl::Status StoreChunks(raft::Persist* /*batch*/) {
    return absl::OkStatus();
  }
  /// Durable after the next Sync.
  [[nodiscard]] virtual absl::Status Write(const raft::Persist& batch) = 0;
  /// A snapshot of this node's own, behind which the log up to `drop_to` goes: at once or at the
  /// next Sync, which is when the core hears of it.
  [[nodiscard]] virtual absl::Status WriteSnapshot(const raft::SnapshotMeta& meta,
                                                   std::string_view bytes, raft::Index drop_to) = 0;
  [[nodiscard]] virtual absl::Status Sync() = 0;
  /// What is done about once a second beside writing.
  [[nodiscard]] virtual absl::Status Housekeep() { return absl::OkStatus(); }

  /// Entries from `first` on, at least one and otherwise at most bytes_max of data. OUT_OF_RANGE
  /// when `first` is not there.
  [[nodiscard]] virtual absl::StatusOr<std::vector<raft::Entry>> Read(
      raft::Index first, raft::Index last, std::uint64_t bytes_max) const = 0;
  /// The latest snapshot's last entry. 0: there is none.
  virtual raft::Index SnapshotIndex() const = 0;
  /// Of the latest snapshot. NOT_FOUND when that is another one.
  [[nodiscard]] virtual absl::StatusOr<SharedBytes> ReadSnapshot(raft::Index snapshot,
                                                                 std::uint64_t offset,
                                                                 std::uint64_t bytes_max) const = 0;

  /// The process or the machine dies: what was not synced may be lost, in part or whole.
  virtual void Crash(Random& random) = 0;

  // What may befall a disk; a storage without one knows nothing of it.

  virtual void SetFull(bool) {}
  virtual void FailNextSync() {}
  /// The power goes off in the middle of the operation after so many.
  virtual void PowerOffAfter(std::uint64_t /*operations*/) {}
  /// Something that was durable, and must still be there, rots. What and where; empty: there is
  /// nothing of the kind.
  virtual std::string Damage(Random&) { return {}; }
  virtual bool damaged() const { return false; }
};

}  // namespace trireme::sim
