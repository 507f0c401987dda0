#include "raft/replica/wal.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "base/status_macros.h"
#include "io/log.h"
#include "raft/core/configuration.h"

namespace trireme::raft {

namespace {

constexpr std::uint64_t kGroupCost = 128;  // LogStore::batch_bytes_max
constexpr std::uint64_t kEntryCost = 32;

/// Entries' data from which on a batch is synced by another thread than the one that wrote it: to
/// wake that one takes less time than the device does then.
constexpr std::uint64_t kHandedOverBytesMin = 64u << 10;

bool WritesNothing(const WalItem& item) {
  return item.persist.empty() && !item.snapshot && !item.forget;
}

/// What tells of our term and vote only, not of our log.
bool NeedsNoLog(const Message& message) {
  return !std::holds_alternative<AppendAccepted>(message) &&
         !std::holds_alternative<SnapshotProgress>(message);
}

LogSnapshot ToLog(const SnapshotMeta& meta) {
  return {meta.last, meta.size_bytes, SharedBytes::Own(EncodeConfiguration(meta.configuration))};
}

/// All of the item but its entries.
GroupWrite HeadOf(const WalItem& item) {
  GroupWrite write;
  write.group = item.group;
  write.hard_state = item.persist.hard_state;
  write.snapshot = item.snapshot;
  write.drop_to = item.drop_to;
  if (item.persist.snapshot) {
    write.snapshot = ToLog(*item.persist.snapshot);
    write.drop_to = item.persist.snapshot->last.index;
  }
  write.forget = item.forget;
  return write;
}

/// The head and the first `entries` of it are written.
void RemoveWritten(WalItem& item, std::size_t entries) {
  item.persist.hard_state.reset();
  item.persist.snapshot.reset();
  item.snapshot.reset();
  item.drop_to = Index{};
  auto& left = item.persist.entries;
  left.erase(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(entries));
}

}  // namespace

/// What one Write carries: parts of items, of which the last may go on in the next Write.
class Wal::Batch {
 public:
  explicit Batch(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}

  bool empty() const { return writes_.empty(); }
  std::span<const GroupWrite> writes() const { return writes_; }
  void Clear() {
    writes_.clear();
    bytes_ = 0;
  }

  /// Whether Add(item, 0) keeps the limit.
  bool HasRoomFor(const WalItem& item) const {
    const auto& entries = item.persist.entries;
    return empty() ||
           bytes_ + HeadCost(HeadOf(item)) + (entries.empty() ? 0 : Cost(entries[0])) <= bytes_max_;
  }

  /// Takes the head, if `from` is 0, and entries from `from` on, at least one and otherwise as many
  /// as fit; returns the next entry.
  std::size_t Add(const WalItem& item, std::size_t from) {
    GroupWrite write = from == 0 ? HeadOf(item) : GroupWrite{.group = item.group};
    bytes_ += HeadCost(write);
    const auto& entries = item.persist.entries;
    std::size_t to = from;
    while (to < entries.size() && (to == from || bytes_ + Cost(entries[to]) <= bytes_max_)) {
      bytes_ += Cost(entries[to++]);
    }
    write.entries = std::span(entries).subspan(from, to - from);
    writes_.push_back(std::move(write));
    return to;
  }

 private:
  static std::uint64_t HeadCost(const GroupWrite& write) {
    return kGroupCost + (write.snapshot ? write.snapshot->configuration.size() : 0);
  }
  static std::uint64_t Cost(const Entry& entry) { return kEntryCost + entry.data.size(); }

  std::uint64_t bytes_max_;
  std::uint64_t bytes_ = 0;
  std::vector<GroupWrite> writes_;
};

Wal::Wal(LogStore* store, std::size_t frame_bytes_max, Callbacks callbacks)
    : store_(store), callbacks_(std::move(callbacks)), outbox_(frame_bytes_max) {
  if (!store_->waits()) return;
  if (store_->syncs_beside_writes()) syncer_ = std::thread([this] { RunSyncer(); });
  thread_ = std::thread([this] { Run(); });
}

void Wal::Push(std::vector<WalItem> items) {
  if (!thread_.joinable()) {
    Take(std::move(items));
    return Round();
  }
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    wake = queue_.empty();
    std::move(items.begin(), items.end(), std::back_inserter(queue_));
  }
  if (wake) changed_.notify_one();
}

void Wal::Retry() {
  if (!full()) return;
  if (!thread_.joinable()) return Round();
  {
    const std::lock_guard lock(mutex_);
    retry_ = true;
  }
  changed_.notify_one();
}

void Wal::Stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
  if (!syncer_.joinable()) return;
  {
    const std::lock_guard lock(syncer_mutex_);
    syncer_stopping_ = true;
  }
  syncer_changed_.notify_all();
  syncer_.join();
}

void Wal::Run() {
  std::vector<WalItem> taken;
  while (true) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || retry_ || !queue_.empty(); });
      if (stopping_ && queue_.empty()) break;
      taken.swap(queue_);
      retry_ = false;
    }
    Take(std::move(taken));
    taken.clear();
    Round();
  }
  for (WalItem& item : waiting_) {
    if (item.done) item.done(absl::CancelledError("the disk is full, and the Raft host stops"));
  }
  waiting_.clear();
}

void Wal::Take(std::vector<WalItem> items) {
  for (WalItem& item : items) waiting_.push_back(std::move(item));
}

void Wal::Round() {
  if (failed_) return Fail(absl::CancelledError("the log is of no more use"));
  std::size_t written = 0;
  absl::Status status = WriteWaiting(&written);
  if (status.ok() && MayHandOver(written)) return HandOver(written);
  if (absl::Status synced = AwaitSyncer(); !synced.ok()) return Fail(synced);
  Finish(status, written);
  if (failed_ || !absl::IsResourceExhausted(status)) return;
  stats_.disk_full.fetch_add(1, std::memory_order_relaxed);
  if (absl::Status past = WritePastFull(); !past.ok()) {
    return absl::IsResourceExhausted(past) ? void() : Fail(past);
  }
  // A compaction may just have made room.
  status = WriteWaiting(&written);
  Finish(status, written);
}

void Wal::Finish(const absl::Status& status, std::size_t written) {
  if (absl::Status synced = Sync(); !synced.ok()) return Fail(synced);
  Complete(TakeWritten(written));
  if (store_->wants_housekeeping()) callbacks_.housekeep();
  if (!status.ok() && !absl::IsResourceExhausted(status)) return Fail(status);
  full_.store(!status.ok(), std::memory_order_relaxed);
}

absl::Status Wal::WriteWaiting(std::size_t* written) {
  *written = 0;
  Batch batch(store_->batch_bytes_max());
  std::size_t partly = 0;  // entries of the first item that is not written whole
  std::size_t next = 0;    // the same once `batch` is written
  const auto flush = [&](std::size_t item) {
    if (!batch.empty()) TRIREME_RETURN_IF_ERROR(Write(batch.writes()));
    batch.Clear();
    *written = item;
    partly = next;
    return absl::OkStatus();
  };
  absl::Status status;
  for (std::size_t i = 0; i < waiting_.size() && status.ok(); ++i) {
    WalItem& item = waiting_[i];
    if (WritesNothing(item)) continue;
    if (status = StoreChunks(item); !status.ok()) {
      callbacks_.group_failed(item.group, status);
      status = absl::OkStatus();
      item.persist = Persist{};
      item.messages.clear();
      continue;
    }
    if (!batch.HasRoomFor(item)) status = flush(i);
    if (!status.ok()) break;
    for (next = batch.Add(item, 0); next < item.persist.entries.size() && status.ok();) {
      status = flush(i);
      if (status.ok()) next = batch.Add(item, next);
    }
    if (next == item.persist.entries.size()) next = 0;
  }
  if (status.ok()) status = flush(waiting_.size());
  if (partly > 0) RemoveWritten(waiting_[*written], partly);
  return status;
}

absl::Status Wal::StoreChunks(WalItem& item) {
  for (const SnapshotChunk& chunk : item.persist.chunks) {
    const absl::Status status = StoreChunk(item.group, chunk);
    if (absl::IsResourceExhausted(status)) {
      RefuseSnapshot(item, chunk, status);
    } else if (!status.ok()) {
      return status;
    }
  }
  item.persist.chunks.clear();
  return absl::OkStatus();
}

absl::Status Wal::StoreChunk(GroupId group, const SnapshotChunk& chunk) {
  std::unique_ptr<SnapshotWriter>& writer = incoming_[group];
  if (chunk.offset == 0) {
    writer = nullptr;
    TRIREME_ASSIGN_OR_RETURN(writer, store_->CreateSnapshot(group, chunk.meta.last));
    TRIREME_RETURN_IF_ERROR(writer->Reserve(chunk.meta.size_bytes));
  }
  if (writer == nullptr) {
    return absl::ResourceExhaustedError("the part before it was refused");
  }
  if (writer->size_bytes() != chunk.offset) {
    return absl::InternalError("a part of a snapshot does not follow on the one before it");
  }
  TRIREME_RETURN_IF_ERROR(writer->Append(chunk.data.view()));
  if (writer->size_bytes() < chunk.meta.size_bytes) return absl::OkStatus();
  return std::exchange(writer, nullptr)->Finish();
}

/// Nothing of it stays, so that there is room for the log. The core, which hears of it together
/// with the batch, goes on with what it has.
void Wal::RefuseSnapshot(WalItem& item, const SnapshotChunk& chunk, const absl::Status& why) {
  incoming_[item.group] = nullptr;
  std::erase_if(item.messages, [](const Outgoing& out) {
    return std::holds_alternative<SnapshotProgress>(out.message);
  });
  if (std::exchange(item.snapshot_refused, true)) return;
  stats_.snapshots_refused.fetch_add(1, std::memory_order_relaxed);
  io::Log(io::LogLevel::kWarn, "raft_snapshot_refused",
          {{"group", std::to_string(item.group.value)},
           {"entry", std::to_string(chunk.meta.last.index.value)},
           {"bytes", std::to_string(chunk.meta.size_bytes)},
           {"why", why.ToString()}});
}

/// Terms, votes and compactions do not wait for entries. They may overtake: a later term or vote
/// promises more than an earlier one, and what is compacted is durable already.
absl::Status Wal::WritePastFull() {
  std::map<GroupId, HardState> latest;
  std::vector<GroupWrite> writes;
  for (WalItem& item : waiting_) {
    if (item.persist.hard_state) latest[item.group] = *item.persist.hard_state;
    if (!item.persist.empty() || !item.snapshot) continue;
    writes.push_back(HeadOf(item));
  }
  for (const auto& [group, hard_state] : latest) {
    writes.push_back({.group = group, .hard_state = hard_state});
  }
  if (!writes.empty()) TRIREME_RETURN_IF_ERROR(Write(writes));
  TRIREME_RETURN_IF_ERROR(Sync());
  for (WalItem& item : waiting_) {
    item.persist.hard_state.reset();
    if (item.persist.empty()) item.snapshot.reset();
    const auto later =
        std::stable_partition(item.messages.begin(), item.messages.end(),
                              [](const Outgoing& out) { return !NeedsNoLog(out.message); });
    for (auto out = later; out != item.messages.end(); ++out) {
      outbox_.Add(out->to, item.group, out->message);
    }
    item.messages.erase(later, item.messages.end());
  }
  callbacks_.send(outbox_);
  return absl::OkStatus();
}

absl::Status Wal::Write(std::span<const GroupWrite> writes) {
  TRIREME_RETURN_IF_ERROR(store_->Write(writes).status());
  unsynced_ = true;
  stats_.writes.fetch_add(1, std::memory_order_relaxed);
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  for (const GroupWrite& write : writes) {
    entries += write.entries.size();
    for (const Entry& entry : write.entries) bytes += entry.data.size();
  }
  stats_.entries.fetch_add(entries, std::memory_order_relaxed);
  stats_.bytes.fetch_add(bytes, std::memory_order_relaxed);
  return absl::OkStatus();
}

absl::Status Wal::Sync() {
  if (!std::exchange(unsynced_, false)) return absl::OkStatus();
  return SyncStore();
}

absl::Status Wal::SyncStore() {
  const auto began = std::chrono::steady_clock::now();
  TRIREME_RETURN_IF_ERROR(store_->Sync().status());
  stats_.syncing.Add(std::chrono::steady_clock::now() - began);
  stats_.syncs.fetch_add(1, std::memory_order_relaxed);
  return absl::OkStatus();
}

std::vector<WalItem> Wal::TakeWritten(std::size_t count) {
  const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<WalItem> items(std::make_move_iterator(waiting_.begin()),
                             std::make_move_iterator(end));
  waiting_.erase(waiting_.begin(), end);
  return items;
}

/// They are durable.
void Wal::Complete(std::vector<WalItem> items) {
  if (items.empty()) return;
  std::vector<WalProgress> durable;
  for (const WalItem& item : items) {
    for (const Outgoing& out : item.messages) outbox_.Add(out.to, item.group, out.message);
    if (!item.persist.empty()) {
      durable.push_back({item.group, item.persist.token, item.snapshot_refused});
    }
  }
  callbacks_.send(outbox_);
  if (!durable.empty()) callbacks_.persisted(durable);
  for (WalItem& item : items) {
    if (item.forget) incoming_.erase(item.group);
    if (item.done) item.done(absl::OkStatus());
  }
}

/// Terms, votes and entries only; and enough of them, or what was written before is not yet synced.
bool Wal::MayHandOver(std::size_t written) {
  if (!syncer_.joinable() || written == 0) return false;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < written; ++i) {
    const WalItem& item = waiting_[i];
    if (item.forget || item.done || item.snapshot || item.persist.snapshot) return false;
    for (const Entry& entry : item.persist.entries) bytes += entry.data.size();
  }
  if (bytes >= kHandedOverBytesMin) return true;
  const std::lock_guard lock(syncer_mutex_);
  return syncing_ || !handed_over_.empty();
}

/// Returns when the syncer has taken them up: what comes meanwhile is written together.
void Wal::HandOver(std::size_t count) {
  unsynced_ = false;
  full_.store(false, std::memory_order_relaxed);
  std::unique_lock lock(syncer_mutex_);
  handed_over_ = TakeWritten(count);
  syncer_changed_.notify_all();
  syncer_changed_.wait(lock, [this] { return handed_over_.empty() || !synced_.ok(); });
  const absl::Status synced = synced_;
  lock.unlock();
  if (!synced.ok()) Fail(synced);
}

absl::Status Wal::AwaitSyncer() {
  std::unique_lock lock(syncer_mutex_);
  syncer_changed_.wait(lock,
                       [this] { return (handed_over_.empty() && !syncing_) || !synced_.ok(); });
  return synced_;
}

void Wal::RunSyncer() {
  std::unique_lock lock(syncer_mutex_);
  while (synced_.ok()) {
    syncer_changed_.wait(lock, [this] { return syncer_stopping_ || !handed_over_.empty(); });
    if (handed_over_.empty()) return;
    std::vector<WalItem> items = std::exchange(handed_over_, {});
    syncing_ = true;
    syncer_changed_.notify_all();
    lock.unlock();
    const absl::Status status = SyncStore();
    if (status.ok()) {
      Complete(std::move(items));
      if (store_->wants_housekeeping()) callbacks_.housekeep();
    }
    lock.lock();
    syncing_ = false;
    synced_ = status;
    syncer_changed_.notify_all();
  }
  lock.unlock();
  // The thread that writes learns that it is over, also when nothing is to be written.
  {
    const std::lock_guard writer_lock(mutex_);
    retry_ = true;
  }
  changed_.notify_one();
}

void Wal::Fail(const absl::Status& status) {
  if (!std::exchange(failed_, true)) callbacks_.fatal(status);
  for (WalItem& item : waiting_) {
    if (item.done) item.done(status);
  }
  waiting_.clear();
}

}  // namespace trireme::raft
