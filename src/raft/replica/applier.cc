#include "raft/replica/applier.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/log.h"

namespace trireme::raft {

namespace {

constexpr std::uint64_t kReadBytesMax = 4u << 20;  // entries that are read back from the store

class StoredSnapshot final : public SnapshotSource {
 public:
  StoredSnapshot(const LogStore& store, GroupId group, LogPosition last, std::uint64_t size_bytes)
      : store_(store), group_(group), last_(last), size_bytes_(size_bytes) {}

  absl::StatusOr<SharedBytes> Read(std::uint64_t bytes_max) override {
    if (offset_ >= size_bytes_) return SharedBytes{};
    auto bytes = store_.ReadSnapshot(group_, last_.index, offset_, bytes_max);
    if (!bytes.ok()) {
      status_ = bytes.status();
      return bytes;
    }
    offset_ += bytes->size();
    return bytes;
  }
  LogPosition last() const override { return last_; }
  std::uint64_t size_bytes() const override { return size_bytes_; }
  const absl::Status& status() const { return status_; }

 private:
  const LogStore& store_;
  GroupId group_;
  LogPosition last_;
  std::uint64_t size_bytes_;
  std::uint64_t offset_ = 0;
  absl::Status status_;
};

/// A durable machine may begin one entry behind where its core does.
std::span<const Entry> NotYetApplied(std::span<const Entry> entries, Index applied) {
  std::size_t known = 0;
  while (known < entries.size() && entries[known].index <= applied) ++known;
  return entries.subspan(known);
}

void ReportLackOfRoom(const AppliedGroup& group, const SnapshotMeta& meta,
                      const absl::Status& why) {
  io::Log(io::LogLevel::kWarn, "raft_restore_waits",
          {{"group", std::to_string(group.id.value)},
           {"entry", std::to_string(meta.last.index.value)},
           {"bytes", std::to_string(meta.size_bytes)},
           {"why", why.ToString()}});
}

}  // namespace

absl::Status RestoreFrom(const LogStore& store, GroupId group, LogPosition last,
                         std::uint64_t size_bytes, StateMachine& machine) {
  StoredSnapshot source(store, group, last, size_bytes);
  absl::Status status = machine.Restore(source);
  return source.status().ok() ? status : source.status();
}

Applier::Applier(LogStore* store, Callbacks callbacks)
    : store_(store), callbacks_(std::move(callbacks)), thread_([this] { Run(); }) {}

void Applier::Push(std::vector<ApplyItem> items) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    wake = queue_.empty();
    std::move(items.begin(), items.end(), std::back_inserter(queue_));
  }
  if (wake) changed_.notify_one();
}

void Applier::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Applier::Run() {
  std::vector<ApplyItem> items;
  std::vector<Report> reports;
  while (Take(&items)) {
    for (ApplyItem& item : items) {
      Report report;
      Process(item, &report);
      if (report.group != nullptr) reports.push_back(report);
    }
    items.clear();
    if (!reports.empty()) callbacks_.applied(reports);
    reports.clear();
  }
  GiveUpHeld();
}

/// False when there is nothing left to do.
bool Applier::Take(std::vector<ApplyItem>* items) {
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return stopping_ || !queue_.empty(); };
  if (held_.empty()) {
    changed_.wait(lock, ready);
  } else {
    changed_.wait_until(lock, held_until_, ready);
  }
  // However much else there is to do.
  if (!held_.empty() && !stopping_ && std::chrono::steady_clock::now() >= held_until_) {
    TakeHeld(items);
    return true;
  }
  items->swap(queue_);
  return !items->empty();
}

/// They come before all that is in the queue.
void Applier::TakeHeld(std::vector<ApplyItem>* items) {
  for (ApplyItem& item : held_) item.group->lacks_room = false;
  items->swap(held_);
}

/// What is asked meanwhile is answered: the state cannot be read.
void Applier::Hold(ApplyItem& item) {
  for (auto& call : item.calls) call();
  item.calls.clear();
  if (!item.restore && item.committed.last < item.committed.first) return;
  if (held_.empty()) {
    held_until_ = std::chrono::steady_clock::now() + restore_again_;
    restore_again_ = std::min(2 * restore_again_, kRestoreAgainMax);
  }
  held_.push_back(std::move(item));
}

void Applier::GiveUpHeld() {
  std::vector<ApplyItem> items;
  TakeHeld(&items);
  for (ApplyItem& item : items) {
    item.group->waits_for_restore = true;
    item.restore.reset();
    Report none;
    Process(item, &none);
  }
}

void Applier::Process(ApplyItem& item, Report* report) {
  AppliedGroup& group = *item.group;
  if (group.lacks_room) return Hold(item);
  if (item.restore && !group.failed) report->restored = Restore(group, *item.restore);
  if (group.lacks_room) return Hold(item);
  std::size_t mine = 0;
  std::vector<Entry> loaded;
  Index next = item.committed.first;
  while (next <= item.committed.last && !group.failed && !group.waits_for_restore) {
    std::span<const Entry> entries = item.committed.entries;
    if (entries.empty()) {
      if (!Load(item, next, &loaded)) break;
      entries = loaded;
    }
    next = entries.back().index + 1;
    entries = NotYetApplied(entries, group.applied.index);
    if (entries.empty()) continue;
    ApplyEntries(group, entries, item, &mine);
    report->entries += entries.size();
    for (const Entry& entry : entries) report->bytes += entry.data.size();
  }
  for (; mine < item.mine.size(); ++mine) {
    if (!item.mine[mine].done) continue;
    ProposalResult unknown;
    unknown.status = absl::UnavailableError(
        "committed, but its result is lost: a snapshot took the place of the entry");
    item.mine[mine].done(std::move(unknown));
  }
  for (auto& call : item.calls) call();
  if (!item.mine.empty() || !item.calls.empty()) group.machine->Answered();
  if (!group.failed && !group.waits_for_restore &&
      (item.restore || item.committed.last >= item.committed.first)) {
    report->group = &group;
    report->applied =
        std::max(item.committed.last, item.restore ? item.restore->last.index : Index{});
  }
}

bool Applier::Restore(AppliedGroup& group, const SnapshotMeta& meta) {
  const absl::Status status =
      RestoreFrom(*store_, group.id, meta.last, meta.size_bytes, *group.machine);
  group.waits_for_restore = absl::IsNotFound(status);
  group.lacks_room = absl::IsResourceExhausted(status);
  if (status.ok()) {
    group.applied = group.before = meta.last;
    restore_again_ = kRestoreAgain;
  }
  if (group.lacks_room) ReportLackOfRoom(group, meta, status);
  if (!status.ok() && !group.waits_for_restore && !group.lacks_room) Fail(group, status);
  return status.ok();
}

bool Applier::Load(ApplyItem& item, Index first, std::vector<Entry>* entries) {
  auto read = store_->Read(item.group->id, first, item.committed.last, kReadBytesMax);
  if (absl::IsOutOfRange(read.status())) {
    item.group->waits_for_restore = true;  // a snapshot has taken their place
    return false;
  }
  if (!read.ok()) {
    Fail(*item.group, read.status());
    return false;
  }
  *entries = *std::move(read);
  return true;
}

/// Runs of commands go to the state machine; what lies between them is Raft's own.
void Applier::ApplyEntries(AppliedGroup& group, std::span<const Entry> entries, ApplyItem& item,
                           std::size_t* mine) {
  TRIREME_CHECK(entries.front().index == group.applied.index + 1);
  results_.resize(std::max(results_.size(), entries.size()));
  const auto is_command = [](const Entry& entry) { return entry.kind == EntryKind::kCommand; };
  for (std::size_t from = 0; from < entries.size();) {
    const auto begin = entries.begin() + static_cast<std::ptrdiff_t>(from);
    if (!is_command(*begin)) {
      if (group.durable != nullptr) group.durable->Skip(PositionOf(*begin));
      ++from;
      continue;
    }
    const auto end = std::find_if_not(begin, entries.end(), is_command);
    const auto count = static_cast<std::size_t>(end - begin);
    group.machine->Apply({begin, end}, std::span(results_).subspan(from, count));
    from += count;
  }
  group.before = entries.size() > 1 ? PositionOf(entries[entries.size() - 2]) : group.applied;
  group.applied = PositionOf(entries.back());
  const Index first = entries.front().index;
  for (; *mine < item.mine.size() && item.mine[*mine].index <= group.applied.index; ++*mine) {
    ApplyItem::Mine& one = item.mine[*mine];
    if (!one.done) continue;
    const std::size_t at = one.index - first;
    if (one.term != Term{} && one.term != entries[at].term) {
      ProposalResult replaced;
      replaced.state = ProposalState::kNotExecuted;
      replaced.status = absl::UnavailableError(
          "leadership changed, and another entry has taken the proposal's place");
      one.done(std::move(replaced));
      continue;
    }
    one.done({ProposalState::kCommitted, PositionOf(entries[at]), std::move(results_[at]), {}, {}});
  }
  for (std::size_t i = 0; i < entries.size(); ++i) results_[i].clear();
}

void Applier::Fail(AppliedGroup& group, const absl::Status& status) {
  group.failed = true;
  callbacks_.failed(&group, status);
}

}  // namespace trireme::raft
