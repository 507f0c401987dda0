#pragma once

#include <memory>
#include <string>

#include "io/memory_disk.h"
#include "raft/log/log.h"
#include "sim/storage.h"

namespace trireme::sim {

struct LogStorageOptions {
  raft::NodeId node;
  raft::Configuration first;  ///< Of the cluster; empty: the node waits to be added.
  std::uint64_t segment_bytes = raft::kSegmentBytesMin;
  std::uint64_t restore_bytes_max = 64u << 20;
};

/// The durable log itself (raft/log) over a disk in memory that forgets, in a crash, all that a
/// disk may forget.
class LogStorage final : public Storage {
 public:
  explicit LogStorage(const LogStorageOptions& options);

  absl::StatusOr<raft::Restored> Open() override;
  absl::Status StoreChunks(raft::Persist* batch) override;
  absl::Status Write(const raft::Persist& batch) override;
  absl::Status WriteSnapshot(const raft::SnapshotMeta& meta, std::string_view bytes,
                             raft::Index drop_to) override;
  absl::Status Sync() override;
  absl::Status Housekeep() override;
  absl::StatusOr<std::vector<raft::Entry>> Read(raft::Index first, raft::Index last,
                                                std::uint64_t bytes_max) const override;
  raft::Index SnapshotIndex() const override { return snapshot_; }
  absl::StatusOr<SharedBytes> ReadSnapshot(raft::Index snapshot, std::uint64_t offset,
                                           std::uint64_t bytes_max) const override;
  /// kill -9, an orderly end, or (mostly) the machine's death.
  void Crash(Random& random) override;

  void SetFull(bool full) override;
  void FailNextSync() override { disk_.FailNextSync(); }
  void PowerOffAfter(std::uint64_t operations) override { disk_.PowerOffAfter(operations); }
  std::string Damage(Random& random) override;
  bool damaged() const override { return damaged_; }

 private:
  /// A batch in a segment of a running log.
  struct Place {
    std::string path;
    std::uint64_t offset = 0;
    std::uint64_t end = 0;
    std::uint64_t batch = 0;
  };
  std::string DamageWithin(Random& random, const Place& place);

  absl::Status Begin();
  absl::Status StoreChunk(const raft::SnapshotChunk& chunk);
  absl::Status WriteSnapshotFile(raft::LogPosition last, std::string_view bytes);
  absl::Status WriteParts(raft::GroupWrite write, std::span<const raft::Entry> entries);

  const raft::Configuration first_;
  raft::LogOptions options_;
  io::MemoryDisk disk_;
  std::unique_ptr<raft::Log> log_;
  std::unique_ptr<raft::SnapshotWriter> incoming_;  ///< Of a leader's snapshot.
  raft::Index snapshot_;
  std::uint64_t synced_batch_ = 0;
  bool damaged_ = false;
};

}  // namespace trireme::sim
