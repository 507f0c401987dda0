#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <trireme/raft.h>
#include "raft/core/output.h"

namespace trireme::raft {

/// A group, as the apply thread sees it.
struct AppliedGroup {
  GroupId id;
  StateMachine* machine = nullptr;
  DurableStateMachine* durable = nullptr;  ///< The same, if it is one that the Host treats so.
  LogPosition applied;
  LogPosition before;  ///< The entry before `applied`, or `applied`.
  /// A snapshot that was to be restored has given way to a later one, which comes: what is to be
  /// applied until then is covered by that.
  bool waits_for_restore = false;
  bool lacks_room = false;  ///< For the snapshot that it is to restore, which is tried again.
  bool failed = false;

  /// The state is what `applied` says.
  bool readable() const { return !failed && !waits_for_restore && !lacks_room; }
};

/// A part of one group's output, for its state machine.
struct ApplyItem {
  AppliedGroup* group = nullptr;
  std::optional<SnapshotMeta> restore;
  Committed committed;
  /// Whose entries they are, in the order of the log.
  struct Mine {
    Index index;
    ProposalCallback done;
    /// Not 0: theirs is the entry of this term, and if another stands there, theirs is not
    /// executed.
    Term term;
  };
  std::vector<Mine> mine;
  /// After that: answers to reads and lost proposals, captures.
  std::vector<absl::AnyInvocable<void()>> calls;
};

/// The thread that owns all state machines of a Host.
class Applier {
 public:
  /// Groups whose Restore finds no room wait so long before the next try, and twice as long after
  /// each, up to the longest.
  static constexpr std::chrono::seconds kRestoreAgain{2};
  static constexpr std::chrono::seconds kRestoreAgainMax{64};

  struct Report {
    AppliedGroup* group = nullptr;
    Index applied;
    std::uint64_t entries = 0;
    std::uint64_t bytes = 0;
    bool restored = false;
  };
  struct Callbacks {
    std::function<void(const std::vector<Report>&)> applied;
    std::function<void(AppliedGroup*, const absl::Status&)> failed;
  };

  Applier(LogStore* store, Callbacks callbacks);
  ~Applier() { Stop(); }

  void Push(std::vector<ApplyItem> items);
  /// Does what waits, then ends. Idempotent; not on the apply thread.
  void Stop();
  bool InThread() const { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  void Run();
  bool Take(std::vector<ApplyItem>* items);
  void TakeHeld(std::vector<ApplyItem>* items);
  void Process(ApplyItem& item, Report* report);
  void Hold(ApplyItem& item);
  void GiveUpHeld();
  bool Restore(AppliedGroup& group, const SnapshotMeta& meta);
  bool Load(ApplyItem& item, Index first, std::vector<Entry>* entries);
  void ApplyEntries(AppliedGroup& group, std::span<const Entry> entries, ApplyItem& item,
                    std::size_t* mine);
  void Fail(AppliedGroup& group, const absl::Status& status);

  LogStore* const store_;
  const Callbacks callbacks_;
  std::vector<std::string> results_;
  // What is to be restored into groups that lack room, and what is to be applied after. Bounded as
  // `queue_` is.
  std::vector<ApplyItem> held_;
  std::chrono::steady_clock::time_point held_until_;
  std::chrono::seconds restore_again_ = kRestoreAgain;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<ApplyItem> queue_;  // Guarded by mutex_. Bounded by the cores: two batches each.
  bool stopping_ = false;         // Guarded by mutex_.
  std::thread thread_;
};

/// Gives the machine the store's latest snapshot, which is at `last`. NOT_FOUND: it is not.
absl::Status RestoreFrom(const LogStore& store, GroupId group, LogPosition last,
                         std::uint64_t size_bytes, StateMachine& machine);

}  // namespace trireme::raft
