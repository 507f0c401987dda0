#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "raft/log/change_planner.h"
#include "raft/log/entry_reader.h"
#include "raft/log/frame.h"
#include "raft/log/group_table.h"
#include "raft/log/log.h"
#include "raft/log/recovery.h"
#include "raft/log/segment.h"
#include "raft/log/snapshot_file.h"

namespace trireme::raft {

/// The log, open. Three locks, taken in this order and never the other way round:
///   housekeep_mutex_   one Housekeep at a time
///   write_mutex_       one frame at a time; held while it is written
///   mutex_             what is known; never held while the disk works
class Log::State {
 public:
  State(const LogOptions& options, io::Disk* disk);
  ~State();

  /// Open's work, after which the other calls may come.
  absl::Status Start(Opened* to);

  absl::StatusOr<BatchNumber> Write(std::span<const GroupWrite> groups);
  absl::StatusOr<BatchNumber> Sync();
  absl::StatusOr<std::vector<Entry>> Read(GroupId group, Index first, Index last,
                                          std::uint64_t bytes_max) const;
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> CreateSnapshot(GroupId group, LogPosition last);
  absl::StatusOr<SharedBytes> ReadSnapshot(GroupId group, Index snapshot, std::uint64_t offset,
                                           std::uint64_t bytes_max) const;
  absl::Status Housekeep();
  bool WantsHousekeeping() const;
  bool BypassesCache() const;
  bool fatal() const;
  LogStats Stats() const;
  std::uint64_t batch_bytes_max() const { return options_.segment_bytes / 2; }

 private:
  /// One whose file is of no use when the batch is durable.
  struct OldSnapshot {
    std::uint64_t batch = 0;
    GroupId group;
    LogPosition last;
  };

  // open.cc
  absl::Status TakeDirectory();
  absl::Status MakeNew();
  absl::Status RefuseRemains(const LogDirectory& listed) const;
  void Adopt(Recovery recovery);
  std::vector<std::string> AdoptSpares(const LogDirectory& listed);
  absl::Status CleanUp(const LogDirectory& listed, std::uint64_t first_segment,
                       std::vector<std::string> useless);
  absl::Status WriteAgain(std::uint64_t from, std::uint64_t to);
  absl::Status BeginLife();
  absl::Status Restore(Opened* to) const;
  ReadPlan PlanRestore(GroupId group, const GroupState& state, std::uint64_t bytes_max) const;
  ReadPlan PlanOlder(const GroupState& state, RecoveredGroup* to) const;

  // append.cc; with write_mutex_
  absl::Status PlanAll(std::span<const GroupWrite> groups);
  absl::Status CheckSnapshotFile(GroupId group, const LogSnapshot& snapshot) const;
  absl::Status MakeRoom(std::uint64_t bytes, bool may_use_reserve);
  absl::Status Roll();
  absl::StatusOr<std::string> TakeSpare();
  absl::StatusOr<BatchNumber> Commit(FrameBuilder& builder, std::span<const GroupChange> changes);
  absl::Status WriteEmpty(std::uint64_t first_segment);
  FrameBuilder Checkpoint() const;
  std::uint64_t FirstNeeded() const;

  // housekeeping.cc; with housekeep_mutex_
  absl::Status MoveOldEntries();
  absl::Status MoveExtent(GroupId group, Extent extent);
  absl::StatusOr<bool> MoveFront(GroupId group, Extent* extent);
  bool WantsMoving() const;
  std::vector<std::pair<GroupId, Extent>> ExtentsOf(std::uint64_t segment) const;
  absl::Status AnnounceAndSeal(std::uint64_t* free_below, bool* is_idle);
  absl::Status FreeSegments(std::uint64_t below);
  absl::Status FreeFile(const Segment& segment, std::vector<std::string>* spares);
  absl::Status RemoveOldSnapshots();
  absl::Status RemoveSurplusSpare();
  absl::Status PrepareSpares();
  std::size_t spares_max() const {
    return std::max(options_.spare_segments, options_.recycled_segments_max);
  }

  absl::Status poisoned() const;
  absl::Status Poison(const absl::Status& cause);
  absl::Status SyncSegment(const Segment& segment);
  std::string Path(std::string_view name) const { return PathIn(options_.directory, name); }
  LogIdentity identity() const { return {options_.cluster_id, options_.node}; }

  const LogOptions options_;
  io::Disk& disk_;
  std::unique_ptr<io::DiskLock> lock_;

  std::mutex housekeep_mutex_;
  std::vector<SegmentPtr> retired_;           ///< Free, but for those who still read them.
  std::uint64_t written_when_last_kept_ = 0;  ///< To see that nothing is being written.
  std::uint32_t idle_calls_ = 0;              ///< Without a write between them.

  std::mutex write_mutex_;
  FrameBuilder builder_;
  std::vector<GroupChange> changes_;
  std::uint64_t append_offset_ = 0;
  std::uint64_t first_announced_ = 0;  ///< By the last frame.
  std::uint32_t life_ = 0;
  /// The last frame is empty and says that all before it is durable; or none is to be written.
  bool sealed_ = true;

  /// One sync at a time: of two of the same file, one might be told of an error that concerns both.
  std::mutex sync_mutex_;

  mutable std::mutex mutex_;
  // These are changed with write_mutex_ as well, so that its holder may read them without mutex_.
  GroupTable table_;
  SegmentMap segments_;
  SegmentPtr active_;  ///< The last of segments_.
  std::uint64_t written_ = 0;
  // These are not.
  std::uint64_t durable_ = 0;
  std::vector<std::string> spares_;                    ///< Paths.
  std::pair<std::uint64_t, std::uint64_t> last_kept_;  ///< First and last segment, by Housekeep.
  std::uint64_t next_spare_ = 1;
  std::vector<OldSnapshot> old_snapshots_;
  mutable std::map<GroupId, std::pair<LogPosition, std::shared_ptr<const SnapshotFile>>>
      snapshot_files_;  ///< Open, for ReadSnapshot.
  absl::Status poisoned_;
  std::uint64_t batches_ = 0;
  std::uint64_t syncs_ = 0;
};

/// INVALID_ARGUMENT names the option, its value and the bound.
[[nodiscard]] absl::Status Validate(const LogOptions& options);

}  // namespace trireme::raft
