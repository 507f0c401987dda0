// The log against a dumb twin: random writes, crashes at every operation and in the middle of it,
// failed syncs. What was acknowledged is never lost; what comes back is exactly what some prefix of
// the batches made, so nothing appears that was not written.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <vector>

#include "base/random.h"
#include "raft/log/directory.h"
#include "raft/log/log_testing.h"

namespace trireme::raft {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kSeeds = 60;
#else
constexpr std::uint64_t kSeeds = 400;
#endif
constexpr std::uint64_t kStepsPerSeed = 250;
constexpr std::uint64_t kGroups = 4;

struct TwinGroup {
  HardState hard_state;
  LogSnapshot snapshot;
  LogPosition dropped_to;
  std::map<Index, Entry> entries;

  Index last_index() const { return entries.empty() ? dropped_to.index : entries.rbegin()->first; }
  Term last_term() const {
    return entries.empty() ? dropped_to.term : entries.rbegin()->second.term;
  }
  std::optional<Term> TermAt(Index index) const {
    if (index == dropped_to.index) return dropped_to.term;
    const auto found = entries.find(index);
    if (found == entries.end()) return std::nullopt;
    return found->second.term;
  }
  friend bool operator==(const TwinGroup&, const TwinGroup&) = default;
};
using Twin = std::map<GroupId, TwinGroup>;

void Apply(const GroupWrite& write, Twin& twin) {
  if (write.forget) {
    twin.erase(write.group);
    return;
  }
  TwinGroup& group = twin[write.group];
  if (write.hard_state) group.hard_state = *write.hard_state;
  if (write.snapshot) {
    group.snapshot = *write.snapshot;
    if (group.TermAt(write.snapshot->last.index) != write.snapshot->last.term) {
      group.entries.clear();
      group.dropped_to = write.snapshot->last;
    }
  }
  if (write.drop_to > group.dropped_to.index) {
    group.dropped_to = {write.drop_to, *group.TermAt(write.drop_to)};
    group.entries.erase(group.entries.begin(), group.entries.upper_bound(write.drop_to));
  }
  if (write.entries.empty()) return;
  group.entries.erase(group.entries.lower_bound(write.entries[0].index), group.entries.end());
  for (const Entry& entry : write.entries) group.entries[entry.index] = entry;
}

std::string SnapshotBytes(GroupId group, LogPosition last) {
  const std::string piece =
      fmt::format("{}/{}/{};", group.value, last.index.value, last.term.value);
  std::string bytes;
  for (std::uint64_t i = 0; i < 1 + last.index.value * 7 % 9000; ++i) bytes += piece;
  return bytes;
}

class Drill {
 public:
  explicit Drill(std::uint64_t seed) : random_(seed) {
    options_ = SmallLog();
    options_.index_points_max = random_.OneIn(2) ? 16 : 1000;
    options_.restore_bytes_max = random_.OneIn(2) ? 2000 : 1u << 20;
    options_.spare_segments = static_cast<std::uint32_t>(random_.Below(3));
    options_.recycled_segments_max = static_cast<std::uint32_t>(random_.Below(4));
    entry_bytes_max_ = random_.OneIn(3) ? 9000 : 600;
    states_ = {Twin{}};
  }

  void Run() {
    for (std::uint64_t i = 0; i < kStepsPerSeed && !::testing::Test::HasFailure(); ++i) Step();
    if (!::testing::Test::HasFailure()) Crash();
  }

 private:
  void Step() {
    if (log_ == nullptr) Reopen();
    if (log_ == nullptr) return;
    switch (random_.Below(40)) {
      case 0:
        Crash();
        break;
      case 1:
        disk_.PowerOffAfter(random_.Below(12));
        break;
      case 2:
        log_.reset();  // an orderly end, whose sync may fail unheard
        break;
      case 3:
        if (random_.OneIn(3)) disk_.FailNextSync();
        break;
      case 4:
        if (random_.OneIn(3)) disk_.FailNextWrite();
        break;
      case 5:
      case 6:
      case 7:
        Housekeep();
        break;
      case 8:
      case 9:
      case 10:
      case 11:
        Check(states_.back());
        break;
      default:
        random_.Below(10) < 6 ? Write() : Sync();
    }
    if (log_ != nullptr && (log_->fatal() || disk_.power_is_off())) Crash();
  }

  void Durable(std::size_t state) {
    states_.erase(states_.begin(), states_.begin() + static_cast<std::ptrdiff_t>(state));
    batches_.erase(batches_.begin(), batches_.begin() + static_cast<std::ptrdiff_t>(state));
  }

  /// After it, the log must be in one of states_.
  void Crash() {
    const bool only_the_process =
        log_ != nullptr && log_->fatal() && !disk_.power_is_off() && random_.OneIn(2);
    if (!only_the_process) disk_.PowerOffAfter(0);
    log_.reset();
    if (!only_the_process) disk_.Crash(random_);
    if (random_.OneIn(4)) disk_.PowerOffAfter(random_.Below(20));  // in the middle of recovering
    Reopen();
  }

  void Reopen() {
    for (int attempt = 0;; ++attempt) {
      auto opened = Log::Open(options_, &disk_);
      if (opened.ok()) {
        log_ = std::move(opened->log);
        Settle(opened->groups);
        return;
      }
      // A write or sync that was to fail has failed; DATA_LOSS would be another matter.
      ASSERT_TRUE(disk_.power_is_off() || absl::IsInternal(opened.status())) << opened.status();
      ASSERT_LT(attempt, 4);
      if (disk_.power_is_off()) disk_.Crash(random_);
    }
  }

  void Settle(const std::vector<RecoveredGroup>& groups) {
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (!Agree(groups, states_[i])) continue;
      const Twin settled = states_[i];
      states_ = {settled};
      batches_ = {0};
      Check(settled);
      return;
    }
    FAIL() << "what comes back is none of the " << states_.size() << " states it may be";
  }

  static bool Agree(const std::vector<RecoveredGroup>& groups, const Twin& twin) {
    return groups.size() == twin.size() &&
           std::all_of(groups.begin(), groups.end(), [&](const RecoveredGroup& group) {
             const auto found = twin.find(group.group);
             return found != twin.end() && AgreeOne(group, found->second);
           });
  }

  static bool AgreeOne(const RecoveredGroup& group, const TwinGroup& twin) {
    if (group.hard_state != twin.hard_state || group.snapshot != twin.snapshot ||
        group.dropped_to != twin.dropped_to ||
        group.last != LogPosition{twin.last_index(), twin.last_term()})
      return false;
    if (group.entries.empty() != twin.entries.empty()) return false;
    for (const Entry& entry : group.entries) {
      const auto found = twin.entries.find(entry.index);
      if (found == twin.entries.end() || found->second != entry) return false;
    }
    if (group.entries.empty()) return true;
    return AgreeOlder(group, twin);
  }

  static bool AgreeOlder(const RecoveredGroup& group, const TwinGroup& twin) {
    std::vector<TermRun> terms;
    std::vector<Entry> configurations;
    for (const auto& [index, entry] : twin.entries) {
      if (index >= group.entries.front().index) break;
      if (terms.empty() || terms.back().term != entry.term) terms.push_back({index, entry.term});
      if (entry.kind == EntryKind::kConfiguration) configurations.push_back(entry);
    }
    return terms == group.older_terms && configurations == group.older_configurations;
  }

  void Check(const Twin& twin) {
    for (const auto& [id, group] : twin) {
      if (disk_.power_is_off()) return;
      if (!group.entries.empty()) {
        const Index first = group.entries.begin()->first + random_.Below(group.entries.size());
        std::vector<Entry> expected;
        for (auto at = group.entries.find(first); at != group.entries.end(); ++at)
          expected.push_back(at->second);
        EXPECT_EQ(ReadAll(*log_, id, first, group.last_index()), expected);
      }
      if (group.snapshot.last.index == Index{}) continue;
      const auto bytes = log_->ReadSnapshot(id, group.snapshot.last.index, 0, 1 << 20);
      ASSERT_TRUE(bytes.ok()) << bytes.status();
      EXPECT_EQ(bytes->view(), SnapshotBytes(id, group.snapshot.last));
    }
  }

  void Write() {
    Twin next = states_.back();
    const std::size_t count = 1 + random_.Below(3);
    std::vector<GroupWrite> writes;
    entries_.clear();
    entries_.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (!Draw(next, entries_[i], writes)) return;
      Apply(writes.back(), next);
    }
    const auto batch = log_->Write(writes);
    if (batch.ok() || log_->fatal()) {  // after a failed write it may be there or not
      states_.push_back(std::move(next));
      batches_.push_back(batch.ok() ? batch->value : UINT64_MAX);
    } else {  // too large: nothing of it is written
      std::uint64_t bytes = 0;
      for (const GroupWrite& write : writes)
        for (const Entry& entry : write.entries) bytes += entry.data.size() + 32;
      EXPECT_GT(bytes + 1000, log_->batch_bytes_max()) << batch.status();
    }
  }

  /// False: the power has gone off.
  bool Draw(const Twin& twin, std::vector<Entry>& entries, std::vector<GroupWrite>& writes) {
    const GroupId id{1 + random_.Below(kGroups)};
    GroupWrite& write = writes.emplace_back(GroupWrite{.group = id});
    if (random_.OneIn(60) && twin.contains(id) && twin.at(id).snapshot.last.index == Index{}) {
      write.forget = true;
      return true;
    }
    TwinGroup group = twin.contains(id) ? twin.at(id) : TwinGroup{};
    if (random_.OneIn(4))
      write.hard_state = HardState{Term{1 + random_.Below(1000)}, NodeId{random_.Below(4)}};
    if (random_.OneIn(8) && !DrawSnapshot(group, write)) return false;
    Twin after{{id, group}};
    if (write.snapshot) Apply(write, after);
    if (!random_.OneIn(5)) DrawEntries(after.at(id), entries);
    write.entries = entries;
    return true;
  }

  bool DrawSnapshot(const TwinGroup& group, GroupWrite& write) {
    LogPosition last{group.last_index() + 1 + random_.Below(5), Next(group.last_term())};
    if (!group.entries.empty() && !random_.OneIn(5)) {
      last.index = group.entries.begin()->first + random_.Below(group.entries.size());
      last.term = group.entries.at(last.index).term;
    }
    if (last.index <= group.snapshot.last.index || last.term < group.snapshot.last.term)
      return true;
    auto writer = log_->CreateSnapshot(write.group, last);
    if (!writer.ok()) return !disk_.power_is_off();
    const std::string bytes = SnapshotBytes(write.group, last);
    if (!(*writer)->Append(bytes).ok() || !(*writer)->Finish().ok()) return false;
    write.snapshot = LogSnapshot{last, bytes.size(), SharedBytes::Copy("conf")};
    write.drop_to = random_.OneIn(2)
                        ? last.index
                        : last.index - random_.Below(std::min<std::uint64_t>(3, last.index.value));
    if (write.drop_to <= group.dropped_to.index) write.drop_to = {};
    return true;
  }

  void DrawEntries(const TwinGroup& group, std::vector<Entry>& entries) {
    Index first = group.last_index() + 1;
    if (random_.OneIn(4))
      first = first - random_.Below(std::min<std::uint64_t>(group.entries.size(), 8) + 1);
    Term term = *group.TermAt(first - 1);
    if (term == Term{}) term = Term{1};
    for (std::uint64_t i = 0, n = 1 + random_.Below(6); i < n; ++i) {
      if (random_.OneIn(8)) term = Next(term);
      std::string data(random_.Below(entry_bytes_max_), static_cast<char>('a' + random_.Below(26)));
      const auto kind = random_.OneIn(10) ? EntryKind::kConfiguration : EntryKind::kCommand;
      entries.push_back({first + i, term, kind, SharedBytes::Own(std::move(data))});
    }
  }

  void Sync() {
    const auto batch = log_->Sync();
    if (!batch.ok()) {
      EXPECT_TRUE(log_->fatal()) << batch.status();
      return;
    }
    std::size_t durable = 0;
    for (std::size_t i = 0; i < batches_.size(); ++i) {
      if (batches_[i] <= batch->value) durable = i;
    }
    Durable(durable);
  }

  void Housekeep() {
    const absl::Status status = log_->Housekeep();
    if (status.ok()) {
      Durable(states_.size() - 1);
    } else if (!disk_.power_is_off()) {
      EXPECT_TRUE(log_->fatal() || disk_.counters().syncs > 0) << status;
    }
  }

  Random random_;
  io::MemoryDisk disk_;
  LogOptions options_;
  std::uint64_t entry_bytes_max_ = 0;
  std::unique_ptr<Log> log_;
  /// What the log may be after a crash: the last durable state and all after it, and by which
  /// batch.
  std::vector<Twin> states_;
  std::vector<std::uint64_t> batches_{0};
  std::vector<std::vector<Entry>> entries_;
};

TEST(LogTwin, AgreesWithADumbTwinOverCrashes) {
  for (std::uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Drill(seed).Run();
  }
}

/// The same few writes, with the power going off at each operation in turn.
class EveryOperation {
 public:
  /// False: the power stayed on.
  static bool Run(std::uint64_t operations, std::uint64_t seed) {
    io::MemoryDisk disk;
    std::uint64_t acknowledged = 0;
    disk.PowerOffAfter(operations);
    {
      auto opened = Log::Open(SmallLog(), &disk);
      if (opened.ok()) acknowledged = Work(*opened->log);
    }
    const bool off = disk.power_is_off();
    Random random(seed);
    disk.Crash(random);
    const auto opened = Log::Open(SmallLog(), &disk);
    EXPECT_TRUE(opened.ok()) << opened.status();
    if (!opened.ok()) return false;
    const std::uint64_t last = opened->groups.empty() ? 0 : opened->groups[0].last.index.value;
    EXPECT_GE(last, acknowledged);
    EXPECT_LE(last, acknowledged + 1);
    return off;
  }

 private:
  static std::uint64_t Work(Log& log) {
    std::uint64_t acknowledged = 0;
    for (std::uint64_t i = 1; i <= 10; ++i) {
      if (!AppendAndSync(log, GroupId{1}, MakeEntries(i, 1, 1, 14'000)).ok()) break;
      acknowledged = i;
      if (i % 4 == 0 && !Compact(log, i)) break;
    }
    return acknowledged;
  }

  static bool Compact(Log& log, std::uint64_t i) {
    const LogPosition last{Index{i}, Term{1}};
    auto writer = log.CreateSnapshot(GroupId{1}, last);
    if (!writer.ok() || !(*writer)->Append("snap").ok() || !(*writer)->Finish().ok()) return false;
    const LogSnapshot snapshot{last, 4, {}};
    return WriteOne(log, {.group = GroupId{1}, .snapshot = snapshot, .drop_to = last.index}).ok() &&
           log.Housekeep().ok();
  }
};

TEST(LogTwin, ThePowerGoesOffAtEveryOperation) {
  std::uint64_t operations = 0;
  for (bool off = true; off && !HasFailure(); ++operations) {
    for (std::uint64_t seed = 0; seed < 8 && !HasFailure(); ++seed) {
      SCOPED_TRACE(fmt::format("operations {}, seed {}", operations, seed));
      off = EveryOperation::Run(operations, seed);
    }
  }
  EXPECT_GT(operations, 60u);
}

}  // namespace
}  // namespace trireme::raft
