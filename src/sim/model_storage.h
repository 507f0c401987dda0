#pragma once

#include <deque>
#include <string>
#include <variant>
#include <vector>

#include "sim/storage.h"

namespace trireme::sim {

/// The simplest storage that keeps the promise: two images, one as written and one as synced.
class ModelStorage final : public Storage {
 public:
  explicit ModelStorage(raft::Configuration first);

  absl::StatusOr<raft::Restored> Open() override;
  absl::Status Write(const raft::Persist& batch) override;
  absl::Status WriteSnapshot(const raft::SnapshotMeta& meta, std::string_view bytes,
                             raft::Index drop_to) override;
  absl::Status Sync() override;
  absl::StatusOr<std::vector<raft::Entry>> Read(raft::Index first, raft::Index last,
                                                std::uint64_t bytes_max) const override;
  raft::Index SnapshotIndex() const override { return written_.snapshot.last.index; }
  absl::StatusOr<SharedBytes> ReadSnapshot(raft::Index snapshot, std::uint64_t offset,
                                           std::uint64_t bytes_max) const override;
  void Crash(Random& random) override;

 private:
  struct OwnSnapshot {
    raft::SnapshotMeta meta;
    SharedBytes bytes;
    raft::Index drop_to;
  };
  using Step = std::variant<raft::Persist, OwnSnapshot>;

  struct Image {
    raft::HardState hard_state;
    raft::SnapshotMeta snapshot;
    SharedBytes snapshot_bytes;
    std::string incoming;  ///< The part of a leader's snapshot that is there.
    std::deque<raft::Entry> log;

    void Do(const Step& step);
    void Do(const raft::Persist& batch);
    void Do(const OwnSnapshot& own);
    void Install(const raft::SnapshotMeta& meta);
    void Append(const std::vector<raft::Entry>& entries);
    void DropTo(raft::Index index);
    bool Holds(raft::LogPosition position) const;
  };

  Image written_;
  Image synced_;
  std::vector<Step> between_;  ///< What makes of one the other.
};

}  // namespace trireme::sim
