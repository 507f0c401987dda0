#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "raft/core/core.h"

namespace trireme::sim {

/// A node's stable storage, as its shell sees it.
class Storage {
 public:
  virtual ~Storage() = default;

  /// What the last life left.
  [[nodiscard]] virtual absl::StatusOr<raft::Restored> Open() = 0;

  /// Durable after the next Sync. RESOURCE_EXHAUSTED: nothing was written, there is no room.
  [[nodiscard]] virtual absl::Status Write(const raft::Persist& batch) = 0;
  /// A snapshot of this node's own, behind which the log up to `drop_to` goes. It counts, and the
  /// entries go, at the next Sync: that is when the core hears of it.
  [[nodiscard]] virtual absl::Status WriteSnapshot(const raft::SnapshotMeta& meta,
                                                   std::string_view bytes, raft::Index drop_to) = 0;
  [[nodiscard]] virtual absl::Status Sync() = 0;

  /// Entries from `first` on, at least one and otherwise at most bytes_max of data; none when
  /// `first` is not there.
  virtual std::vector<raft::Entry> Read(raft::Index first, raft::Index last,
                                        std::uint64_t bytes_max) const = 0;
  /// The latest snapshot's last entry. 0: there is none.
  virtual raft::Index SnapshotIndex() const = 0;
  /// Of the latest snapshot; nothing when that is another one.
  virtual SharedBytes ReadSnapshot(raft::Index snapshot, std::uint64_t offset,
                                   std::uint64_t bytes_max) const = 0;

  /// The process or the machine dies: what was not synced may be lost, in part or whole.
  virtual void Crash(Random& random) = 0;
};

}  // namespace trireme::sim
