#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <trireme/raft/clock.h>
#include <trireme/raft/log_store.h>
#include <trireme/raft/state_machine.h>
#include "absl/status/status.h"

/// What a Host takes for granted of what you bring: run these in your tests. OK, or what is wrong.
/// They need nothing but the standard library; the transport's are in transport_conformance.h.
namespace trireme::raft::conformance {

namespace internal {

inline absl::Status Wrong(const std::string& what) {
  return absl::FailedPreconditionError(what);
}

/// A snapshot in memory; reads come back in small parts.
class Kept final : public SnapshotSink, public SnapshotSource {
 public:
  absl::Status Append(std::string_view part) override {
    bytes_ += part;
    return absl::OkStatus();
  }
  absl::StatusOr<SharedBytes> Read(std::uint64_t bytes_max) override {
    const std::string_view rest = std::string_view(bytes_).substr(at_);
    const SharedBytes part =
        SharedBytes::Copy(rest.substr(0, std::min<std::uint64_t>(bytes_max, 7)));
    at_ += part.size();
    return part;
  }
  LogPosition last() const override { return last_; }
  std::uint64_t size_bytes() const override { return bytes_.size(); }
  void Rewind(LogPosition last) {
    last_ = last;
    at_ = 0;
  }

 private:
  std::string bytes_;
  std::size_t at_ = 0;
  LogPosition last_;
};

class Commands {
 public:
  explicit Commands(std::span<const std::string> data) {
    for (const std::string& one : data) {
      entries_.push_back(
          {Index{entries_.size() + 1}, Term{1}, EntryKind::kCommand, SharedBytes::Copy(one)});
    }
  }
  std::size_t size() const { return entries_.size(); }
  /// Those in [from, to), `batch` at a time; the results.
  std::vector<std::string> Apply(StateMachine& machine, std::size_t from, std::size_t to,
                                 std::size_t batch) const {
    std::vector<std::string> results(to - from);
    for (std::size_t at = from; at < to; at += batch) {
      const std::size_t count = std::min(batch, to - at);
      machine.Apply(std::span(entries_).subspan(at, count),
                    std::span(results).subspan(at - from, count));
    }
    return results;
  }

 private:
  std::vector<Entry> entries_;
};

inline std::vector<std::string> Answers(StateMachine& machine,
                                        std::span<const std::string> queries) {
  std::vector<std::string> answers;
  for (const std::string& query : queries) {
    const auto answer = machine.Query(query);
    answers.push_back(answer.ok() ? "ok " + *answer : "not ok " + answer.status().ToString());
  }
  return answers;
}

}  // namespace internal

/// `make` gives empty machines; `commands` (eight at least) change the state so that `queries` show
/// it, and each is a command that yours understands.
inline absl::Status CheckStateMachine(const std::function<std::unique_ptr<StateMachine>()>& make,
                                      std::span<const std::string> commands,
                                      std::span<const std::string> queries) {
  using internal::Answers;
  using internal::Wrong;
  const internal::Commands all(commands);
  const std::size_t half = all.size() / 2;
  const auto one = make();
  const std::vector<std::string> results = all.Apply(*one, 0, all.size(), all.size());
  const std::vector<std::string> answers = Answers(*one, queries);
  if (Answers(*one, queries) != answers) return Wrong("a query changes the state");
  for (const std::size_t batch : {std::size_t{1}, std::size_t{2}, std::size_t{3}}) {
    const auto other = make();
    if (all.Apply(*other, 0, all.size(), batch) != results || Answers(*other, queries) != answers) {
      return Wrong("results or state depend on how commands are batched, or on chance");
    }
  }
  const auto source = make();
  all.Apply(*source, 0, half, half);
  const std::vector<std::string> answers_at_half = Answers(*source, queries);
  SnapshotWork work = source->Capture();
  const std::vector<std::string> later = all.Apply(*source, half, all.size(), 1);
  if (!std::equal(later.begin(), later.end(),
                  results.begin() + static_cast<std::ptrdiff_t>(half))) {
    return Wrong("Capture changes the state");
  }
  internal::Kept snapshot;
  if (absl::Status status = work(snapshot); !status.ok()) return status;
  snapshot.Rewind({Index{half}, Term{1}});
  const auto restored = make();
  all.Apply(*restored, 0, all.size(), all.size());  // of which nothing may remain
  if (absl::Status status = restored->Restore(snapshot); !status.ok()) return status;
  if (Answers(*restored, queries) != answers_at_half) {
    return Wrong(
        "Restore gives another state than the one at Capture: it keeps something of the "
        "old state, loses something, or the snapshot has what was applied after Capture");
  }
  if (all.Apply(*restored, half, all.size(), 2) != later ||
      Answers(*restored, queries) != answers) {
    return Wrong("after Restore the same commands have other results");
  }
  return absl::OkStatus();
}

/// One place on disk where a durable machine keeps its state.
struct DurableUnderTest {
  /// Opens what is there, as a start of the process does; the one before has been destroyed, as by
  /// the end of the process.
  std::function<std::unique_ptr<DurableStateMachine>()> open;
  std::function<void()> erase;  ///< As if nothing had ever been there.
};

namespace internal {

/// Ends in the middle with an error, as when the process dies.
class CutOff final : public SnapshotSource {
 public:
  explicit CutOff(SnapshotSource* from) : from_(*from) {}
  absl::StatusOr<SharedBytes> Read(std::uint64_t bytes_max) override {
    if (reads_++ > 0) return absl::CancelledError("the process dies here");
    return from_.Read(bytes_max);
  }
  LogPosition last() const override { return from_.last(); }
  std::uint64_t size_bytes() const override { return from_.size_bytes(); }

 private:
  SnapshotSource& from_;
  int reads_ = 0;
};

class DurableCheck {
 public:
  DurableCheck(const DurableUnderTest& test, std::span<const std::string> commands,
               std::span<const std::string> queries)
      : test_(test), commands_(commands), queries_(queries) {}

  absl::Status Run() {
    Reopen(true);
    if (machine_->AsDurable() != machine_.get()) return Wrong("AsDurable is not the machine");
    if (absl::Status status = Expect(0, 0, "an empty one"); !status.ok()) return status;
    Play(0, end());
    const std::vector<std::string> answers = Answers(*machine_, queries_);
    if (absl::Status status = Flushes(answers); !status.ok()) return status;
    return Restores(answers);
  }

 private:
  /// Entry i + 1 is command i / 2, or none for every other i.
  std::size_t end() const { return 2 * commands_.size(); }
  void Play(std::size_t from, std::size_t to) {
    for (std::size_t i = from; i < to; ++i) {
      const Index index{i + 1};
      if (i % 2 == 0) {
        machine_->Skip({index, Term{1}});
        continue;
      }
      const Entry entry{index, Term{1}, EntryKind::kCommand, SharedBytes::Copy(commands_[i / 2])};
      std::string result;
      machine_->Apply(std::span(&entry, 1), std::span(&result, 1));
    }
  }
  void Reopen(bool erase = false) {
    machine_ = nullptr;
    if (erase) test_.erase();
    machine_ = test_.open();
  }
  /// What it says of itself lies within.
  absl::Status Expect(std::size_t low, std::size_t high, const char* which) {
    const auto at = machine_->DurablyApplied();
    if (!at.ok()) return at.status();
    applied_ = at->index.value;
    if (applied_ >= low && applied_ <= high && (applied_ == 0 || at->term == Term{1})) return {};
    return Wrong(std::string(which) + " says that it has applied entry " +
                 std::to_string(applied_) + " of term " + std::to_string(at->term.value) +
                 ", expected " + std::to_string(low) + " to " + std::to_string(high));
  }

  absl::Status Flushes(const std::vector<std::string>& answers) {
    const std::size_t half = end() / 2 + 1;
    for (const bool late : {false, true}) {
      Reopen(true);
      if (absl::Status status = Expect(0, 0, "an erased one"); !status.ok()) return status;
      Play(0, half);
      FlushWork work = machine_->Flush();
      if (late) Play(half, half + 2);
      if (absl::Status status = work(); !status.ok()) return status;
      if (!late) Play(half, half + 2);
      Reopen();
      if (absl::Status s = Expect(half, half + 2, "one that was flushed"); !s.ok()) return s;
      Play(applied_, end());
      if (Answers(*machine_, queries_) != answers) {
        return Wrong("after a restart the rest of the log gives another state");
      }
    }
    return absl::OkStatus();
  }

  absl::Status Restores(const std::vector<std::string>& answers) {
    Kept snapshot;
    if (absl::Status status = machine_->Capture()(snapshot); !status.ok()) return status;
    const LogPosition last{Index{end() + 7}, Term{1}};
    Reopen(true);
    if (absl::Status status = Expect(0, 0, "an erased one"); !status.ok()) return status;
    Play(0, 2);
    if (absl::Status status = machine_->Flush()(); !status.ok()) return status;
    const std::vector<std::string> old = Answers(*machine_, queries_);
    snapshot.Rewind(last);
    CutOff cut(&snapshot);
    if (machine_->Restore(cut).ok()) return Wrong("Restore says nothing of a failed read");
    Reopen();
    if (absl::Status s = Expect(0, 2, "one whose Restore broke off"); !s.ok()) return s;
    if (applied_ == 2 && Answers(*machine_, queries_) != old) {
      return Wrong("a Restore that broke off leaves another state than the one it had");
    }
    snapshot.Rewind(last);
    if (absl::Status status = machine_->Restore(snapshot); !status.ok()) return status;
    Reopen();
    if (absl::Status status = Expect(last.index.value, last.index.value, "a restored one");
        !status.ok()) {
      return status;
    }
    return Answers(*machine_, queries_) == answers ? absl::OkStatus()
                                                   : Wrong("Restore gives another state");
  }

  const DurableUnderTest& test_;
  std::span<const std::string> commands_;
  std::span<const std::string> queries_;
  std::unique_ptr<DurableStateMachine> machine_;
  std::size_t applied_ = 0;
};

}  // namespace internal

/// What is asked of a durable machine beyond CheckStateMachine. `commands` (four at least) and
/// `queries` as there; a snapshot has more than 7 bytes.
inline absl::Status CheckDurableStateMachine(const DurableUnderTest& test,
                                             std::span<const std::string> commands,
                                             std::span<const std::string> queries) {
  return internal::DurableCheck(test, commands, queries).Run();
}

/// Looks from several threads for `span`.
inline absl::Status CheckClock(const Clock& clock,
                               std::chrono::milliseconds span = std::chrono::milliseconds(100)) {
  const auto steady = [] { return std::chrono::steady_clock::now(); };
  const auto begin = steady();
  const std::chrono::nanoseconds first = clock.Now();
  std::atomic<std::int64_t> latest{first.count()};
  std::atomic<bool> back{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (steady() - begin < span) {
        const std::int64_t seen = latest.load();
        const std::int64_t now = clock.Now().count();
        if (now < seen) back = true;
        for (std::int64_t old = latest.load();
             old < now && !latest.compare_exchange_weak(old, now);) {
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (back) return internal::Wrong("the clock goes back");
  const auto passed = clock.Now() - first;
  const auto truly = steady() - begin;
  if (passed < truly / 2 || passed > truly * 2) {
    return internal::Wrong("the clock is not within a factor of two of true time");
  }
  return absl::OkStatus();
}

/// A store that CheckLogStore may do what it likes with.
struct LogStoreUnderTest {
  std::unique_ptr<LogStore> store;
  /// Closes `store`, if it is open, and opens it anew: what is found. Empty: the store forgets.
  std::function<std::vector<RecoveredGroup>(std::unique_ptr<LogStore>& store)> reopen;
};

namespace internal {

class LogStoreCheck {
 public:
  explicit LogStoreCheck(LogStoreUnderTest* test) : test_(*test) {}

  absl::Status Run() {
    for (const auto step :
         {&LogStoreCheck::Appends, &LogStoreCheck::Truncates, &LogStoreCheck::RefusesGaps,
          &LogStoreCheck::Snapshots, &LogStoreCheck::Replaces, &LogStoreCheck::SyncsBesideWrites,
          &LogStoreCheck::Forgets}) {
      if (absl::Status status = (this->*step)(); !status.ok()) return status;
      if (absl::Status status = Housekeep(); !status.ok()) return status;
      if (absl::Status status = Compare(); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  struct Model {
    HardState hard_state;
    LogSnapshot snapshot;
    LogPosition dropped_to;
    std::vector<Entry> entries;
  };

  static std::vector<Entry> Entries(std::uint64_t first, std::uint64_t count, std::uint64_t term) {
    std::vector<Entry> entries;
    for (std::uint64_t i = first; i < first + count; ++i) {
      entries.push_back({Index{i}, Term{term}, i % 3 == 0 ? EntryKind::kNoop : EntryKind::kCommand,
                         i % 3 == 0 ? SharedBytes{}
                                    : SharedBytes::Copy("entry " + std::to_string(i) + " of " +
                                                        std::to_string(term))});
    }
    return entries;
  }

  absl::Status Write(const GroupWrite& write) {
    const auto batch = test_.store->Write(std::span(&write, 1));
    if (!batch.ok()) return batch.status();
    if (*batch <= last_batch_) return Wrong("batch numbers do not rise");
    last_batch_ = *batch;
    const auto durable = test_.store->Sync();
    if (!durable.ok()) return durable.status();
    return *durable < *batch ? Wrong("Sync does not cover what was written before it")
                             : absl::OkStatus();
  }

  absl::Status Appends() {
    Model& model = models_[0];
    model.hard_state = {Term{3}, NodeId{2}};
    model.snapshot.configuration = SharedBytes::Copy("first");
    model.entries = Entries(1, 20, 2);
    GroupWrite write{.group = Id(0), .hard_state = model.hard_state, .snapshot = model.snapshot};
    write.entries = model.entries;
    if (absl::Status status = Write(write); !status.ok()) return status;
    models_[1].hard_state = {Term{9}, kNobody};
    return Write({.group = Id(1), .hard_state = models_[1].hard_state});
  }

  absl::Status Truncates() {
    Model& model = models_[0];
    const std::vector<Entry> fresh = Entries(11, 5, 3);
    model.entries.resize(10);
    model.entries.insert(model.entries.end(), fresh.begin(), fresh.end());
    GroupWrite write{.group = Id(0)};
    write.entries = fresh;
    return Write(write);
  }

  absl::Status RefusesGaps() {
    const std::vector<Entry> far = Entries(30, 2, 3);
    GroupWrite write{.group = Id(0)};
    write.entries = far;
    if (!absl::IsInvalidArgument(test_.store->Write(std::span(&write, 1)).status())) {
      return Wrong("entries that leave a gap are not refused with INVALID_ARGUMENT");
    }
    const GroupWrite early{.group = Id(0), .drop_to = Index{5}};
    if (!absl::IsInvalidArgument(test_.store->Write(std::span(&early, 1)).status())) {
      return Wrong("entries may be dropped that no snapshot covers");
    }
    if (!absl::IsOutOfRange(test_.store->Read(Id(0), Index{16}, Index{20}, 100).status())) {
      return Wrong("reading what the log does not hold is not OUT_OF_RANGE");
    }
    return absl::OkStatus();
  }

  absl::Status MakeSnapshot(LogPosition at, const std::string& bytes) {
    auto writer = test_.store->CreateSnapshot(Id(0), at);
    if (!writer.ok()) return writer.status();
    const std::size_t middle = bytes.size() / 2;
    for (const std::string& part : {bytes.substr(0, middle), bytes.substr(middle)}) {
      if (absl::Status status = (*writer)->Append(part); !status.ok()) return status;
    }
    if ((*writer)->size_bytes() != bytes.size()) return Wrong("a snapshot's size is wrong");
    snapshot_bytes_ = bytes;
    return (*writer)->Finish();
  }

  absl::Status Snapshots() {
    Model& model = models_[0];
    // One that is begun and not finished leaves nothing.
    if (auto writer = test_.store->CreateSnapshot(Id(0), {Index{9}, Term{2}}); !writer.ok()) {
      return writer.status();
    }
    const LogPosition at{Index{12}, Term{3}};
    if (absl::Status status = MakeSnapshot(at, std::string(100'000, 's') + "end"); !status.ok()) {
      return status;
    }
    if (test_.store->ReadSnapshot(Id(0), at.index, 0, 10).ok()) {
      return Wrong("a snapshot counts before a write has named it");
    }
    model.snapshot = {at, snapshot_bytes_.size(), SharedBytes::Copy("second")};
    model.dropped_to = {Index{7}, Term{2}};
    model.entries.erase(model.entries.begin(), model.entries.begin() + 7);
    absl::Status status =
        Write({.group = Id(0), .snapshot = model.snapshot, .drop_to = model.dropped_to.index});
    if (!status.ok()) return status;
    if (!absl::IsAlreadyExists(test_.store->CreateSnapshot(Id(0), at).status())) {
      return Wrong("a snapshot as old as the latest is not refused with ALREADY_EXISTS");
    }
    return absl::OkStatus();
  }

  /// By a leader's snapshot, of which the log does not hold the last entry.
  absl::Status Replaces() {
    Model& model = models_[0];
    const LogPosition at{Index{100}, Term{5}};
    if (absl::Status status = MakeSnapshot(at, "new"); !status.ok()) return status;
    model.hard_state.term = Term{6};
    model.snapshot = {at, snapshot_bytes_.size(), SharedBytes::Copy("third")};
    model.dropped_to = at;
    model.entries = Entries(101, 3, 6);
    GroupWrite write{.group = Id(0), .hard_state = model.hard_state, .snapshot = model.snapshot};
    write.drop_to = at.index;
    write.entries = model.entries;
    return Write(write);
  }

  /// Where it says that it may be asked to; a batch that was written before a Sync is in it.
  absl::Status SyncsBesideWrites() {
    if (!test_.store->syncs_beside_writes()) return absl::OkStatus();
    constexpr std::uint64_t kWrites = 50;
    const std::vector<Entry> more = Entries(models_[0].entries.back().index.value + 1, kWrites, 6);
    std::atomic<std::uint64_t> written{last_batch_.value};
    std::atomic<bool> done{false};
    absl::Status writing;
    std::thread writer([&] {
      for (std::uint64_t i = 0; i < kWrites && writing.ok(); ++i) {
        GroupWrite write{.group = Id(0)};
        write.entries = std::span(more).subspan(i, 1);
        const auto batch = test_.store->Write(std::span(&write, 1));
        writing = batch.status();
        if (batch.ok()) written = batch->value;
      }
      done = true;
    });
    absl::Status syncing;
    for (bool last = false; !last && syncing.ok();) {
      last = done;
      const std::uint64_t before = written;
      const auto durable = test_.store->Sync();
      syncing = durable.status();
      if (durable.ok() && durable->value < before) {
        syncing = Wrong("Sync beside a Write does not cover what was written before it");
      }
    }
    writer.join();
    last_batch_ = BatchNumber{written};
    models_[0].entries.insert(models_[0].entries.end(), more.begin(), more.end());
    return writing.ok() ? syncing : writing;
  }

  absl::Status Forgets() {
    absl::Status status = Write({.group = Id(1), .forget = true});
    forgotten_ = true;
    return status;
  }

  absl::Status Housekeep() { return test_.store->Housekeep(); }

  absl::Status Compare() {
    if (absl::Status status = CompareReads(); !status.ok() || !test_.reopen) return status;
    const std::vector<RecoveredGroup> found = test_.reopen(test_.store);
    last_batch_ = BatchNumber{};
    if (found.size() != (forgotten_ ? 1u : 2u)) return Wrong("a restart finds other groups");
    for (const RecoveredGroup& group : found) {
      const Model& model = models_[group.group == Id(0) ? 0 : 1];
      if (group.hard_state != model.hard_state) return Wrong("a restart finds another hard state");
      if (group.snapshot != model.snapshot) return Wrong("a restart finds another snapshot");
      if (group.dropped_to != model.dropped_to) return Wrong("a restart finds another beginning");
      const LogPosition last =
          model.entries.empty() ? model.dropped_to : PositionOf(model.entries.back());
      if (group.last != last) return Wrong("a restart finds another end of the log");
      if (group.entries.size() > model.entries.size() ||
          !std::equal(group.entries.rbegin(), group.entries.rend(), model.entries.rbegin())) {
        return Wrong("a restart finds other entries");
      }
    }
    return CompareReads();
  }

  absl::Status CompareReads() {
    const Model& model = models_[0];
    std::vector<Entry> read;
    for (Index next = model.dropped_to.index + 1; read.size() < model.entries.size();) {
      const auto some = test_.store->Read(Id(0), next, model.entries.back().index, 40);
      if (!some.ok()) return some.status();
      if (some->empty()) return Wrong("a read gives no entry");
      read.insert(read.end(), some->begin(), some->end());
      next = read.back().index + 1;
    }
    if (read != model.entries) return Wrong("reads give other entries than were written");
    if (model.dropped_to.index > Index{} &&
        test_.store->Read(Id(0), model.dropped_to.index, model.dropped_to.index, 40).ok()) {
      return Wrong("a read gives an entry that was dropped");
    }
    return model.snapshot.last.index == Index{} ? absl::OkStatus() : CompareSnapshot();
  }

  absl::Status CompareSnapshot() {
    const Index at = models_[0].snapshot.last.index;
    std::string bytes;
    while (bytes.size() < snapshot_bytes_.size()) {
      const auto part = test_.store->ReadSnapshot(Id(0), at, bytes.size(), 1000);
      if (!part.ok()) return part.status();
      if (part->empty()) return Wrong("a snapshot ends too early");
      bytes += part->view();
    }
    if (bytes != snapshot_bytes_) return Wrong("a snapshot's bytes are others than were written");
    if (!absl::IsNotFound(test_.store->ReadSnapshot(Id(0), at - 1, 0, 10).status())) {
      return Wrong("a snapshot that is not the latest is not NOT_FOUND");
    }
    return absl::OkStatus();
  }

  static GroupId Id(std::size_t which) { return GroupId{which == 0 ? 5u : 900u}; }

  LogStoreUnderTest& test_;
  Model models_[2];
  std::string snapshot_bytes_;
  BatchNumber last_batch_;
  bool forgotten_ = false;
};

}  // namespace internal

/// An empty store.
inline absl::Status CheckLogStore(LogStoreUnderTest test) {
  return internal::LogStoreCheck(&test).Run();
}

}  // namespace trireme::raft::conformance
