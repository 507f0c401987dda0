#pragma once

#include <map>
#include <optional>
#include <vector>

#include <trireme/raft/log_store.h>
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/log/frame.h"
#include "raft/log/group_table.h"

namespace trireme::raft {

/// Turns what callers want written into changes of the table, and refuses what would leave a log
/// with a gap, decreasing terms or a snapshot that goes back. Later writes of a batch see the
/// earlier ones; the table sees none of them.
class ChangePlanner {
 public:
  explicit ChangePlanner(const GroupTable& table) : table_(table) {}

  /// INVALID_ARGUMENT names the group and what is wrong with it.
  [[nodiscard]] absl::StatusOr<GroupChange> Plan(const GroupWrite& write);
  /// The configurations' bytes and new groups of all writes planned, as checkpoints will have them.
  std::uint64_t summary_bytes() const { return summary_bytes_; }

 private:
  /// A group as it will be after the writes planned so far.
  struct View {
    const GroupState* state = nullptr;  ///< Null: new, or forgotten by an earlier write.
    LogPosition snapshot;
    LogPosition dropped_to;
    Index kept;  ///< Of state's entries, those above it are dropped.
    std::vector<EntryRun> runs;

    Index last_index() const;
    std::optional<Term> TermAt(Index index) const;
    void DropFrom(Index first);
    void Reset(LogPosition to);
  };

  View& ViewOf(GroupId group);
  absl::Status PlanSnapshot(const GroupWrite& write, View& view, GroupChange& change);
  absl::Status PlanDrop(const GroupWrite& write, View& view, GroupChange& change);
  absl::Status PlanEntries(const GroupWrite& write, View& view, GroupChange& change);

  const GroupTable& table_;
  std::map<GroupId, View> views_;
  std::uint64_t summary_bytes_ = 0;
};

}  // namespace trireme::raft
