#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <trireme/raft/log_store.h>
#include "absl/functional/any_invocable.h"
#include "io/histogram.h"
#include "raft/core/output.h"
#include "raft/replica/frame.h"

namespace trireme::raft {

/// Something to be made durable for one group, and what waits for that.
struct WalItem {
  GroupId group;
  Persist persist;  ///< Of the group's core; empty: none.
  /// Sent when `persist`, and all items of the group before it, are durable.
  std::vector<Outgoing> messages;
  bool snapshot_refused = false;  ///< There was no room for the chunks of `persist`.

  /// Instead of `persist`, something of the Host's own: a first configuration, a snapshot of its
  /// own with what it lets go, the end of a group.
  std::optional<LogSnapshot> snapshot;
  Index drop_to;
  bool forget = false;
  /// On the log's thread.
  absl::AnyInvocable<void(const absl::Status&)> done;
};

/// Of one group: all up to `token` is durable.
struct WalProgress {
  GroupId group;
  Token token;
  bool snapshot_refused = false;  ///< But for a leader's snapshot, for which there is no room.
};

struct WalStats {
  std::atomic<std::uint64_t> writes{0};
  std::atomic<std::uint64_t> syncs{0};
  std::atomic<std::uint64_t> entries{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::uint64_t> disk_full{0};          ///< Writes that found no room.
  std::atomic<std::uint64_t> snapshots_refused{0};  ///< Of leaders, for which there was no room.
  io::DurationHistogram syncing;
};

/// Writes what all groups of a Host want durable: everything that waits, with one Write and one
/// Sync. On a thread of its own, or, when the store does not wait, on its caller's. Much at once is
/// synced by a second thread while the first writes what has come since: one batch is being synced
/// then, and one more at most is written. What waits for them goes in their order.
///
/// A full disk (RESOURCE_EXHAUSTED of a Write) stops nothing for good: what could not be written
/// stays in line and is tried again by Retry; meanwhile terms, votes and compactions go past it,
/// for which the store keeps a reserve, and with them the messages that need no log. A leader's
/// snapshot that finds no room is refused: nothing of it stays, and all else goes on.
class Wal {
 public:
  struct Callbacks {
    /// Sends the messages, at once.
    std::function<void(TurnOutbox&)> send;
    /// One call for all that a round made durable.
    std::function<void(const std::vector<WalProgress>&)> persisted;
    /// The store should be tidied up now.
    std::function<void()> housekeep;
    /// The group cannot go on.
    std::function<void(GroupId, const absl::Status&)> group_failed;
    /// Nothing can.
    std::function<void(const absl::Status&)> fatal;
  };

  Wal(LogStore* store, std::size_t frame_bytes_max, Callbacks callbacks);
  ~Wal() { Stop(); }

  void Push(std::vector<WalItem> items);
  /// There may be room again.
  void Retry();
  /// Writes what waits, then ends. Idempotent.
  void Stop();

  /// Entries wait for room.
  bool full() const { return full_.load(std::memory_order_relaxed); }
  const WalStats& stats() const { return stats_; }

 private:
  class Batch;

  void Run();
  void Round();
  void Take(std::vector<WalItem> items);
  absl::Status StoreChunks(WalItem& item);
  absl::Status StoreChunk(GroupId group, const SnapshotChunk& chunk);
  void RefuseSnapshot(WalItem& item, const SnapshotChunk& chunk, const absl::Status& why);
  /// How many items from the front are written. Not OK: the others are not, for lack of room or
  /// because the store is of no more use.
  absl::Status WriteWaiting(std::size_t* written);
  absl::Status WritePastFull();
  absl::Status Write(std::span<const GroupWrite> writes);
  absl::Status Sync();
  absl::Status SyncStore();
  bool MayHandOver(std::size_t written);
  void HandOver(std::size_t count);
  /// All that was handed over is durable and told; not OK: it is not, and never will be.
  absl::Status AwaitSyncer();
  void RunSyncer();
  std::vector<WalItem> TakeWritten(std::size_t count);
  void Complete(std::vector<WalItem> items);
  void Finish(const absl::Status& status, std::size_t written);
  void Fail(const absl::Status& status);

  LogStore* const store_;
  const Callbacks callbacks_;
  TurnOutbox outbox_;  // Of the thread that writes while nothing is handed over, else the other's.
  WalStats stats_;
  std::atomic<bool> full_{false};

  // Of the thread that writes.
  std::deque<WalItem> waiting_;
  bool unsynced_ = false;
  std::map<GroupId, std::unique_ptr<SnapshotWriter>> incoming_;
  bool failed_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<WalItem> queue_;  // Guarded by mutex_.
  bool retry_ = false;          // Guarded by mutex_.
  bool stopping_ = false;       // Guarded by mutex_.
  std::thread thread_;          // Not for a store that does not wait.

  std::mutex syncer_mutex_;
  std::condition_variable syncer_changed_;
  std::vector<WalItem> handed_over_;  // Guarded by syncer_mutex_. Written, not synced.
  bool syncing_ = false;              // Guarded by syncer_mutex_.
  bool syncer_stopping_ = false;      // Guarded by syncer_mutex_.
  absl::Status synced_;               // Guarded by syncer_mutex_. Not OK: for good.
  std::thread syncer_;                // Not for a store that must not be synced beside a Write.
};

}  // namespace trireme::raft
