#pragma once

#include <deque>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "raft/core/output.h"
#include "sim/storage.h"

namespace trireme::sim {

/// A node's writes on their way to its storage: what has come up while one sync was under way goes
/// together into the next.
class DiskQueue {
 public:
  struct OwnSnapshot {
    raft::SnapshotMeta meta;
    std::string bytes;
    raft::Index drop_to;
  };
  /// What a sync has made durable.
  struct Durable {
    raft::Token token;
    std::vector<OwnSnapshot> snapshots;
    bool snapshot_refused = false;  ///< A leader's, for lack of room.
  };

  bool busy() const { return busy_; }
  bool full() const { return full_; }  ///< As the latest Begin found the disk.
  bool empty() const { return waiting_.empty(); }
  void Add(raft::Persist batch) { waiting_.emplace_back(std::move(batch)); }
  void Add(OwnSnapshot snapshot) { waiting_.emplace_back(std::move(snapshot)); }

  /// Writes what waits. A full disk takes as much as it has room for, the rest goes on waiting, but
  /// for snapshots, which are left out; any other error is the node's end.
  [[nodiscard]] absl::Status Begin(Storage* storage);
  /// The time it takes is over.
  [[nodiscard]] absl::StatusOr<Durable> End(Storage* storage);
  void Clear() { *this = {}; }

 private:
  using Item = std::variant<raft::Persist, OwnSnapshot>;
  [[nodiscard]] absl::Status Write(Storage* storage, Item& item);

  std::deque<Item> waiting_;
  Durable written_;
  bool busy_ = false;
  bool full_ = false;
};

}  // namespace trireme::sim
