#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <trireme/raft/log_store.h>

namespace trireme::raft {

/// A LogStore that forgets everything when it is destroyed: for tests, benchmarks, and groups whose
/// members are never down all at once. Bounded only by what the groups drop. A Host may be stopped
/// and another started on the same MemoryLog: it hands back what it has, as a restart would.
class MemoryLog final : public LogStore {
 public:
  [[nodiscard]] absl::StatusOr<BatchNumber> Write(std::span<const GroupWrite> groups) override;
  std::uint64_t batch_bytes_max() const override { return 1u << 30; }
  [[nodiscard]] absl::StatusOr<BatchNumber> Sync() override;
  bool waits() const override { return false; }
  [[nodiscard]] absl::StatusOr<std::vector<Entry>> Read(GroupId group, Index first, Index last,
                                                        std::uint64_t bytes_max) const override;
  [[nodiscard]] absl::StatusOr<std::unique_ptr<SnapshotWriter>> CreateSnapshot(
      GroupId group, LogPosition last) override;
  [[nodiscard]] absl::StatusOr<SharedBytes> ReadSnapshot(GroupId group, Index snapshot,
                                                         std::uint64_t offset,
                                                         std::uint64_t bytes_max) const override;
  [[nodiscard]] absl::Status Housekeep() override { return absl::OkStatus(); }
  bool fatal() const override { return false; }

  /// What a start would find.
  std::vector<RecoveredGroup> Recover() const;

 private:
  class Writer;
  struct Stored {
    HardState hard_state;
    LogSnapshot snapshot;
    LogPosition dropped_to;
    std::deque<Entry> entries;
    std::map<Index, SharedBytes> finished;  // snapshots' bytes: the named one, and later ones
    LogPosition last() const { return entries.empty() ? dropped_to : PositionOf(entries.back()); }
    const Entry* Find(Index index) const;
  };

  static absl::Status Check(const GroupWrite& write, const Stored& stored);
  static void Apply(const GroupWrite& write, Stored& stored);
  static void Install(const LogSnapshot& snapshot, Stored& stored);
  static void Drop(Index to, Stored& stored);

  mutable std::mutex mutex_;
  std::map<GroupId, Stored> groups_;  // Guarded by mutex_.
  std::uint64_t batches_ = 0;         // Guarded by mutex_.
};

}  // namespace trireme::raft
