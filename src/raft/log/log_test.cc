#include "raft/log/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "raft/log/directory.h"
#include "raft/log/log_testing.h"
#include "raft/log/segment.h"

namespace trireme::raft {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr GroupId kOne{1};
constexpr GroupId kTwo{2};

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

class LogTest : public ::testing::Test {
 protected:
  Log::Opened Open() { return OpenLog(disk_, options_); }
  /// As if the process were killed: the log gets no chance to do anything more.
  void Kill(std::unique_ptr<Log> log) {
    disk_.PowerOffAfter(0);
    EXPECT_FALSE(disk_.SyncDirectory("log").ok());
    log.reset();
    disk_.Crash(random_);
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const auto entries = disk_.List(options_.directory);
    EXPECT_TRUE(entries.ok()) << entries.status();
    for (const io::DiskEntry& entry : *entries) names.push_back(entry.name);
    return names;
  }

  io::MemoryDisk disk_;
  LogOptions options_ = SmallLog();
  Random random_{1};
};

TEST_F(LogTest, ANewDirectoryHasNoGroups) {
  EXPECT_THAT(Open().groups, SizeIs(0));
  EXPECT_THAT(Open().groups, SizeIs(0));
  EXPECT_THAT(Names(), ElementsAre("identity", "wal-0000000000000001"));
}

TEST_F(LogTest, GivesBackWhatWasWritten) {
  std::vector<Entry> entries = MakeEntries(1, 3, 1);
  entries.push_back(MakeEntry(4, 2, "members", EntryKind::kConfiguration));
  {
    const auto opened = Open();
    ASSERT_TRUE(
        WriteOne(*opened.log,
                 {.group = kOne, .hard_state = HardState{Term{2}, NodeId{3}}, .entries = entries})
            .ok());
    ASSERT_TRUE(WriteOne(*opened.log, {.group = kTwo, .hard_state = HardState{Term{9}, {}}}).ok());
    ASSERT_EQ(opened.log->Sync()->value, 3u);  // the first batch is the start's own
  }
  const auto opened = Open();
  ASSERT_THAT(opened.groups, SizeIs(2));
  const RecoveredGroup& one = opened.groups[0];
  EXPECT_EQ(one.group, kOne);
  EXPECT_EQ(one.hard_state, (HardState{Term{2}, NodeId{3}}));
  EXPECT_EQ(one.last, (LogPosition{Index{4}, Term{2}}));
  EXPECT_EQ(one.entries, entries);
  EXPECT_THAT(one.older_terms, SizeIs(0));
  EXPECT_EQ(opened.groups[1].hard_state, (HardState{Term{9}, kNobody}));
  EXPECT_EQ(opened.torn_batches, 0u);
}

TEST_F(LogTest, NewerEntriesReplaceASuffix) {
  {
    const auto opened = Open();
    ASSERT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(1, 10, 1)).ok());
    ASSERT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(4, 2, 2)).ok());
    EXPECT_EQ(ReadAll(*opened.log, kOne, Index{4}, Index{5}), MakeEntries(4, 2, 2));
    EXPECT_EQ(opened.log->Read(kOne, Index{6}, Index{6}, 1).status().code(),
              absl::StatusCode::kOutOfRange);
  }
  const auto opened = Open();
  EXPECT_EQ(opened.groups[0].last, (LogPosition{Index{5}, Term{2}}));
  EXPECT_EQ(ReadAll(*opened.log, kOne, Index{1}, Index{3}), MakeEntries(1, 3, 1));
}

TEST_F(LogTest, TheSameGroupTwiceInABatch) {
  {
    const auto opened = Open();
    const auto first = MakeEntries(1, 5, 1), second = MakeEntries(3, 4, 2),
               third = MakeEntries(7, 1, 2);
    const GroupWrite writes[] = {{.group = kOne, .entries = first},
                                 {.group = kTwo, .entries = first},
                                 {.group = kOne, .entries = second},
                                 {.group = kOne, .entries = third}};
    ASSERT_TRUE(opened.log->Write(writes).ok());
    ASSERT_TRUE(opened.log->Sync().ok());
    EXPECT_EQ(ReadAll(*opened.log, kOne, Index{1}, Index{2}), MakeEntries(1, 2, 1));
    EXPECT_EQ(ReadAll(*opened.log, kOne, Index{3}, Index{7}), MakeEntries(3, 5, 2));
  }
  const auto opened = Open();
  EXPECT_EQ(opened.groups[0].last, (LogPosition{Index{7}, Term{2}}));
  EXPECT_EQ(ReadAll(*opened.log, kOne, Index{3}, Index{7}), MakeEntries(3, 5, 2));
  EXPECT_EQ(ReadAll(*opened.log, kTwo, Index{1}, Index{5}), MakeEntries(1, 5, 1));
}

TEST_F(LogTest, ImpossibleWritesChangeNothing) {
  const auto opened = Open();
  ASSERT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(1, 5, 3)).ok());
  const auto gap = MakeEntries(7, 1, 3), old_term = MakeEntries(6, 1, 2),
             zero = MakeEntries(0, 1, 3);
  const GroupWrite impossible[] = {
      {.group = kOne, .entries = gap},
      {.group = kOne, .entries = old_term},
      {.group = kOne, .entries = zero},
      {.group = kOne, .drop_to = Index{2}},
      {.group = kOne, .snapshot = LogSnapshot{{Index{3}, Term{3}}, 10, {}}},
      {.group = kOne, .hard_state = HardState{}, .forget = true},
  };
  for (const GroupWrite& write : impossible) {
    const GroupWrite both[] = {{.group = kTwo, .hard_state = HardState{Term{1}, {}}}, write};
    EXPECT_EQ(opened.log->Write(both).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_FALSE(opened.log->fatal());
  EXPECT_EQ(opened.log->Stats().batches, 2u);
  EXPECT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(6, 1, 3)).ok());
}

TEST_F(LogTest, ReadsAreBoundedAndGiveAtLeastOne) {
  const auto opened = Open();
  for (std::uint64_t i = 0; i < 30; ++i)
    ASSERT_TRUE(
        WriteOne(*opened.log, {.group = kOne, .entries = MakeEntries(1 + 4 * i, 4, 1, 100)}).ok());
  EXPECT_THAT(*opened.log->Read(kOne, Index{3}, Index{120}, 0), SizeIs(1));
  EXPECT_THAT(*opened.log->Read(kOne, Index{3}, Index{120}, 799), SizeIs(7));
  EXPECT_EQ(*opened.log->Read(kOne, Index{3}, Index{12}, 1 << 20), MakeEntries(3, 10, 1, 100));
  EXPECT_EQ(ReadAll(*opened.log, kOne, Index{1}, Index{120}), MakeEntries(1, 120, 1, 100));
}

TEST_F(LogTest, RestoresTheEndAndTellsOfTheRest) {
  options_.restore_bytes_max = 1000;
  {
    const auto opened = Open();
    for (std::uint64_t term = 1; term <= 3; ++term)
      ASSERT_TRUE(
          AppendAndSync(*opened.log, kOne, MakeEntries(term * 20 - 19, 20, term, 100)).ok());
    ASSERT_TRUE(
        AppendAndSync(*opened.log, kOne, {MakeEntry(61, 3, "c", EntryKind::kConfiguration)}).ok());
    ASSERT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(62, 20, 4, 100)).ok());
  }
  const auto opened = Open();
  const RecoveredGroup& group = opened.groups[0];
  EXPECT_EQ(group.entries,
            MakeEntries(group.entries[0].index.value, 82 - group.entries[0].index.value, 4, 100));
  EXPECT_LE(group.entries.size(), 10u);
  EXPECT_THAT(group.older_terms,
              ElementsAre(TermRun{Index{1}, Term{1}}, TermRun{Index{21}, Term{2}},
                          TermRun{Index{41}, Term{3}}, TermRun{Index{62}, Term{4}}));
  EXPECT_THAT(group.older_configurations,
              ElementsAre(MakeEntry(61, 3, "c", EntryKind::kConfiguration)));
}

TEST_F(LogTest, SnapshotsComeBackAndOldOnesGo) {
  const std::string bytes(200'000, 's');
  {
    const auto opened = Open();
    Log& log = *opened.log;
    ASSERT_TRUE(AppendAndSync(log, kOne, MakeEntries(1, 10, 1)).ok());
    const LogSnapshot first = MakeSnapshot(log, kOne, {Index{5}, Term{1}}, "first");
    ASSERT_TRUE(WriteOne(log, {.group = kOne, .snapshot = first, .drop_to = Index{3}}).ok());
    EXPECT_EQ(log.ReadSnapshot(kOne, Index{5}, 1, 3)->view(), "irs");
    EXPECT_EQ(log.CreateSnapshot(kOne, {Index{5}, Term{1}}).status().code(),
              absl::StatusCode::kAlreadyExists);
    const LogSnapshot second = MakeSnapshot(log, kOne, {Index{8}, Term{1}}, bytes);
    ASSERT_TRUE(WriteOne(log, {.group = kOne, .snapshot = second, .drop_to = Index{6}}).ok());
    EXPECT_EQ(log.ReadSnapshot(kOne, Index{5}, 0, 3).status().code(), absl::StatusCode::kNotFound);
    ASSERT_TRUE(log.Housekeep().ok());
    EXPECT_EQ(log.Read(kOne, Index{6}, Index{7}, 10).status().code(),
              absl::StatusCode::kOutOfRange);
  }
  EXPECT_THAT(Names(),
              ::testing::Not(::testing::Contains(SnapshotName(kOne, {Index{5}, Term{1}}))));
  const auto opened = Open();
  const RecoveredGroup& group = opened.groups[0];
  EXPECT_EQ(group.snapshot,
            (LogSnapshot{{Index{8}, Term{1}}, bytes.size(), SharedBytes::Copy("abc")}));
  EXPECT_EQ(group.dropped_to, (LogPosition{Index{6}, Term{1}}));
  EXPECT_EQ(group.entries, MakeEntries(7, 4, 1));
  EXPECT_EQ(opened.log->ReadSnapshot(kOne, Index{8}, 131'000, 1 << 20)->view(),
            std::string_view(bytes).substr(131'000));
}

TEST_F(LogTest, AnInstalledSnapshotReplacesAConflictingLog) {
  {
    const auto opened = Open();
    Log& log = *opened.log;
    ASSERT_TRUE(AppendAndSync(log, kOne, MakeEntries(1, 10, 1)).ok());
    const LogSnapshot snapshot = MakeSnapshot(log, kOne, {Index{7}, Term{2}}, "x");
    ASSERT_TRUE(WriteOne(log, {.group = kOne,
                               .hard_state = HardState{Term{2}, {}},
                               .snapshot = snapshot,
                               .drop_to = Index{7},
                               .entries = MakeEntries(8, 1, 2)})
                    .ok());
    ASSERT_TRUE(log.Sync().ok());
  }
  const auto opened = Open();
  EXPECT_EQ(opened.groups[0].dropped_to, (LogPosition{Index{7}, Term{2}}));
  EXPECT_EQ(opened.groups[0].entries, MakeEntries(8, 1, 2));
}

TEST_F(LogTest, ASnapshotThatNobodyNamedIsRemovedByTheNextStart) {
  {
    const auto opened = Open();
    MakeSnapshot(*opened.log, kOne, {Index{7}, Term{2}}, "x");
    EXPECT_THAT(Names(), ::testing::Contains(SnapshotName(kOne, {Index{7}, Term{2}})));
  }
  EXPECT_THAT(Open().groups, SizeIs(0));
  EXPECT_THAT(Names(),
              ::testing::Not(::testing::Contains(SnapshotName(kOne, {Index{7}, Term{2}}))));
}

TEST_F(LogTest, AForgottenGroupIsGone) {
  {
    const auto opened = Open();
    ASSERT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(1, 10, 1)).ok());
    ASSERT_TRUE(AppendAndSync(*opened.log, kTwo, MakeEntries(1, 10, 1)).ok());
    ASSERT_TRUE(WriteOne(*opened.log, {.group = kOne, .forget = true}).ok());
  }
  const auto opened = Open();
  ASSERT_THAT(opened.groups, SizeIs(1));
  EXPECT_EQ(opened.groups[0].group, kTwo);
}

/// Every frame has something of every group: each is read once, not once for each group.
TEST_F(LogTest, ManyGroupsShareEachFrame) {
  constexpr std::uint64_t kGroups = 1000;
  constexpr std::uint64_t kFrames = 60;
  options_.segment_bytes = 1u << 20;
  const auto entry = [](std::uint64_t group, std::uint64_t index) {
    const auto kind = index == 3 ? EntryKind::kConfiguration : EntryKind::kCommand;
    return MakeEntry(index, 1 + index / 20, fmt::format("{} of {}", index, group), kind);
  };
  {
    const auto opened = Open();
    for (std::uint64_t index = 1; index <= kFrames; ++index) {
      std::vector<Entry> entries;
      for (std::uint64_t group = 1; group <= kGroups; ++group)
        entries.push_back(entry(group, index));
      std::vector<GroupWrite> writes;
      for (std::uint64_t group = 1; group <= kGroups; ++group)
        writes.push_back(
            {.group = GroupId{group}, .entries = std::span(entries).subspan(group - 1, 1)});
      ASSERT_TRUE(opened.log->Write(writes).ok());
    }
    ASSERT_TRUE(opened.log->Sync().ok());
  }
  {
    const auto opened = Open();
    ASSERT_THAT(opened.groups, SizeIs(kGroups));
    for (const RecoveredGroup& group : opened.groups) {
      ASSERT_THAT(group.entries, SizeIs(kFrames));
      for (const Entry& found : group.entries)
        ASSERT_EQ(found, entry(group.group.value, found.index.value));
    }
  }
  // With room for the last ones only, the others are told of by their terms and configurations.
  options_.restore_bytes_max = 1;
  const auto bounded = Open();
  for (const RecoveredGroup& group : bounded.groups) {
    ASSERT_THAT(group.entries, SizeIs(1));
    ASSERT_EQ(group.entries[0], entry(group.group.value, kFrames));
    ASSERT_THAT(group.older_terms, SizeIs(3));
    ASSERT_THAT(group.older_configurations, SizeIs(1));
    ASSERT_EQ(group.older_configurations[0], entry(group.group.value, 3));
  }
}

TEST_F(LogTest, SegmentsAreFreedAndUsedAgain) {
  const auto opened = Open();
  Log& log = *opened.log;
  std::string data(1000, 'd');
  ASSERT_TRUE(log.Housekeep().ok());
  std::uint64_t allocated_at = 0;
  for (std::uint64_t i = 1; i <= 2000; ++i) {
    ASSERT_TRUE(AppendAndSync(log, kOne, {MakeEntry(i, 1, data)}).ok());
    if (i % 50 != 0) continue;
    const LogSnapshot snapshot = MakeSnapshot(log, kOne, {Index{i}, Term{1}}, "s");
    ASSERT_TRUE(WriteOne(log, {.group = kOne, .snapshot = snapshot, .drop_to = Index{i}}).ok());
    ASSERT_TRUE(log.Housekeep().ok());
    if (i == 1000) allocated_at = disk_.counters().bytes_written;
  }
  EXPECT_LE(log.Stats().segments, 3u);
  EXPECT_EQ(log.Stats().spare_segments, 1u);
  const std::uint64_t written = disk_.counters().bytes_written - allocated_at;
  EXPECT_LT(written, 1000 * 1200u) << "zeros were written again";
}

/// A log that is told to tidy up when it wants to, and not by a clock, makes its segments from the
/// same few files for good; and gives those back that are too many when nothing is written.
TEST_F(LogTest, SegmentsGoRoundWhenTidiedUpOnDemand) {
  options_.spare_segments = 2;
  options_.recycled_segments_max = 8;
  const auto opened = Open();
  Log& log = *opened.log;
  const std::string data(10'000, 'd');
  std::uint64_t allocated_at = 0;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    ASSERT_TRUE(AppendAndSync(log, kOne, {MakeEntry(i, 1, data)}).ok());
    if (i % 30 == 0) {  // five segments' worth
      const LogSnapshot snapshot = MakeSnapshot(log, kOne, {Index{i}, Term{1}}, "s");
      ASSERT_TRUE(WriteOne(log, {.group = kOne, .snapshot = snapshot, .drop_to = Index{i}}).ok());
    }
    if (log.wants_housekeeping()) {
      ASSERT_TRUE(log.Housekeep().ok());
    }
    EXPECT_FALSE(log.wants_housekeeping()) << "again and again";
    if (i == 500) allocated_at = disk_.counters().bytes_written;
  }
  EXPECT_LT(disk_.counters().bytes_written - allocated_at, 500 * 12'000u) << "zeros were written";
  EXPECT_GT(log.Stats().spare_segments, 2u);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(log.Housekeep().ok());
  EXPECT_EQ(log.Stats().spare_segments, 2u);
}

TEST_F(LogTest, AGroupThatLagsDoesNotPinSegments) {
  {
    const auto opened = Open();
    Log& log = *opened.log;
    ASSERT_TRUE(AppendAndSync(log, kTwo, MakeEntries(1, 30, 1, 100)).ok());
    const std::string data(1000, 'd');
    for (std::uint64_t i = 1; i <= 2000; ++i) {
      ASSERT_TRUE(AppendAndSync(log, kOne, {MakeEntry(i, 1, data)}).ok());
      if (i % 50 != 0) continue;
      const LogSnapshot snapshot = MakeSnapshot(log, kOne, {Index{i}, Term{1}}, "s");
      ASSERT_TRUE(WriteOne(log, {.group = kOne, .snapshot = snapshot, .drop_to = Index{i}}).ok());
      ASSERT_TRUE(log.Housekeep().ok());
    }
    EXPECT_LE(log.Stats().segments, options_.pinned_segments_max + 2);
    EXPECT_EQ(ReadAll(log, kTwo, Index{1}, Index{30}), MakeEntries(1, 30, 1, 100));
    EXPECT_THAT(Names(), ::testing::Not(::testing::Contains(SegmentName(1))));
  }
  EXPECT_EQ(Open().groups[1].entries, MakeEntries(1, 30, 1, 100));
}

TEST_F(LogTest, AFullDiskRefusesEntriesWholeAndTakesTheRest) {
  const auto opened = Open();
  Log& log = *opened.log;
  disk_.SetCapacity(2 * options_.segment_bytes + 10'000);
  std::uint64_t last = 0;
  absl::Status status;
  while ((status = AppendAndSync(log, kOne, MakeEntries(last + 1, 10, 1, 100))).ok()) last += 10;
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_GT(last, 900u);
  EXPECT_FALSE(log.fatal());
  EXPECT_EQ(ReadAll(log, kOne, Index{1}, Index{last}), MakeEntries(1, last, 1, 100));
  EXPECT_EQ(log.Read(kOne, Index{last + 1}, Index{last + 1}, 1).status().code(),
            absl::StatusCode::kOutOfRange);
  // Votes and compaction go on, and make room.
  ASSERT_TRUE(WriteOne(log, {.group = kOne, .hard_state = HardState{Term{5}, NodeId{1}}}).ok());
  const LogSnapshot snapshot = MakeSnapshot(log, kOne, {Index{last}, Term{1}}, "s");
  ASSERT_TRUE(WriteOne(log, {.group = kOne, .snapshot = snapshot, .drop_to = Index{last}}).ok());
  ASSERT_TRUE(log.Housekeep().ok());
  EXPECT_TRUE(AppendAndSync(log, kOne, MakeEntries(last + 1, 10, 1, 100)).ok());
}

TEST_F(LogTest, RoomThatComesBackIsUsed) {
  const auto opened = Open();
  disk_.SetCapacity(options_.segment_bytes + 100);
  std::uint64_t last = 0;
  while (AppendAndSync(*opened.log, kOne, MakeEntries(last + 1, 10, 1, 100)).ok()) last += 10;
  disk_.SetCapacity(UINT64_MAX);
  EXPECT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(last + 1, 10, 1, 100)).ok());
}

TEST_F(LogTest, AFailedSyncEndsTheLog) {
  {
    const auto opened = Open();
    Log& log = *opened.log;
    disk_.FailNextSync();
    const absl::Status failed = AppendAndSync(log, kOne, MakeEntries(1, 1, 1));
    EXPECT_EQ(failed.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(Message(failed), HasSubstr("fdatasync log/wal-0000000000000001"));
    EXPECT_TRUE(log.fatal());
    const auto syncs = disk_.counters().operations;
    EXPECT_EQ(log.Sync().status(), failed);
    EXPECT_EQ(WriteOne(log, {.group = kOne}), failed);
    EXPECT_EQ(log.Read(kOne, Index{1}, Index{1}, 1).status(), failed);
    EXPECT_EQ(log.Housekeep(), failed);
    EXPECT_EQ(disk_.counters().operations, syncs) << "nothing is tried again";
  }
  // The next start finds the batch in memory, clean and not on the disk, and tells the core of it.
  {
    const auto opened = Open();
    ASSERT_THAT(opened.groups, SizeIs(1));
    disk_.PowerOffAfter(0);
  }
  disk_.Crash(random_);
  ASSERT_THAT(Open().groups, SizeIs(1)) << "so it had to be made durable";
}

TEST_F(LogTest, AFailedWriteEndsTheLog) {
  const auto opened = Open();
  disk_.FailNextWrite();
  const absl::Status failed = AppendAndSync(*opened.log, kOne, MakeEntries(1, 1, 1));
  EXPECT_EQ(failed.code(), absl::StatusCode::kInternal);
  EXPECT_EQ(AppendAndSync(*opened.log, kOne, MakeEntries(1, 1, 1)), failed);
}

TEST_F(LogTest, OneWriteAndOneSyncForAllGroups) {
  const auto opened = Open();
  const std::vector<Entry> entries = MakeEntries(1, 10, 1);
  std::vector<GroupWrite> writes;
  for (std::uint64_t group = 1; group <= 100; ++group)
    writes.push_back(
        {.group = GroupId{group}, .hard_state = HardState{Term{1}, {}}, .entries = entries});
  const io::MemoryDiskCounters before = disk_.counters();
  ASSERT_TRUE(opened.log->Write(writes).ok());
  ASSERT_TRUE(opened.log->Sync().ok());
  EXPECT_EQ(disk_.counters().writes - before.writes, 1u);
  EXPECT_EQ(disk_.counters().syncs - before.syncs, 1u);
  EXPECT_EQ(disk_.counters().directory_syncs, before.directory_syncs);
  ASSERT_TRUE(opened.log->Sync().ok());
  EXPECT_EQ(disk_.counters().syncs - before.syncs, 1u) << "there was nothing to sync";
}

TEST_F(LogTest, AThousandGroups) {
  options_.segment_bytes = 1u << 20;
  constexpr std::uint64_t kGroups = 1000;
  constexpr std::uint64_t kRounds = 18;
  {
    const auto opened = Open();
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      std::vector<std::vector<Entry>> entries;
      std::vector<GroupWrite> writes;
      for (std::uint64_t g = 0; g < kGroups; ++g)
        entries.push_back(MakeEntries(1 + round * (1 + g % 3), 1 + g % 3, 1 + round));
      for (std::uint64_t g = 0; g < kGroups; ++g)
        writes.push_back({.group = GroupId{g + 1},
                          .hard_state = HardState{Term{1 + round}, NodeId{g}},
                          .entries = entries[g]});
      ASSERT_TRUE(opened.log->Write(writes).ok());
      ASSERT_TRUE(opened.log->Sync().ok());
    }
    EXPECT_GT(opened.log->Stats().segments, 1u);
  }
  const auto opened = Open();
  ASSERT_THAT(opened.groups, SizeIs(kGroups));
  for (std::uint64_t g = 0; g < kGroups; ++g) {
    EXPECT_EQ(opened.groups[g].last, (LogPosition{Index{kRounds * (1 + g % 3)}, Term{kRounds}}));
    EXPECT_EQ(opened.groups[g].hard_state, (HardState{Term{kRounds}, NodeId{g}}));
  }
}

TEST_F(LogTest, MoreGroupsThanASegmentCanSumUpAreRefused) {
  const auto opened = Open();
  absl::Status status;
  std::uint64_t group = 1;
  for (; status.ok() && group < 1000; ++group)
    status = WriteOne(*opened.log, {.group = GroupId{group}, .hard_state = HardState{Term{1}, {}}});
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("segment_bytes"));
  EXPECT_TRUE(WriteOne(*opened.log, {.group = kOne, .hard_state = HardState{Term{2}, {}}}).ok());
}

TEST_F(LogTest, TheIndexIsBounded) {
  options_.index_points_max = 16;
  const auto opened = Open();
  for (std::uint64_t i = 1; i <= 2000; ++i)
    ASSERT_TRUE(WriteOne(*opened.log, {.group = GroupId{1 + i % 2},
                                       .entries = MakeEntries((i + 1) / 2, 1, 1, 300)})
                    .ok());
  EXPECT_LE(opened.log->Stats().index_points, 2 * opened.log->Stats().segments + 2);
  EXPECT_EQ(ReadAll(*opened.log, kOne, Index{1}, Index{1000}), MakeEntries(1, 1000, 1, 300));
}

TEST_F(LogTest, OneProcessAtATime) {
  const auto opened = Open();
  const auto second = Log::Open(options_, &disk_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(second.status()), HasSubstr("log: a running node has this directory"));
}

TEST_F(LogTest, AnotherNodesDirectoryIsRefused) {
  Open();
  options_.node = NodeId{4};
  const auto other = Log::Open(options_, &disk_);
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(other.status()), HasSubstr("belongs to node 3 of cluster 000000000000004d"));
}

TEST_F(LogTest, MissingFilesAreRefused) {
  {
    const auto opened = Open();
    for (std::uint64_t i = 1; i <= 300; ++i)
      ASSERT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(i, 1, 1, 1000)).ok());
    const LogSnapshot snapshot = MakeSnapshot(*opened.log, kOne, {Index{2}, Term{1}}, "s");
    ASSERT_TRUE(WriteOne(*opened.log, {.group = kOne, .snapshot = snapshot}).ok());
  }
  for (const std::string& name : {std::string("identity"), SegmentName(1), SegmentName(3),
                                  SnapshotName(kOne, {Index{2}, Term{1}})}) {
    ASSERT_TRUE(disk_.Rename("log/" + name, "log/hidden").ok());
    const auto refused = Log::Open(options_, &disk_);
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kDataLoss) << name;
    EXPECT_THAT(Message(refused.status()), HasSubstr("damaged at offset")) << name;
    ASSERT_TRUE(disk_.Rename("log/hidden", "log/" + name).ok());
  }
  EXPECT_EQ(Open().groups[0].last.index, Index{300});
}

TEST_F(LogTest, BadOptionsAreNamed) {
  options_.segment_bytes = 1000;
  EXPECT_THAT(Message(Log::Open(options_, &disk_).status()), HasSubstr("segment_bytes = 1000"));
  options_ = SmallLog();
  options_.reserve_bytes = options_.segment_bytes;
  EXPECT_THAT(Message(Log::Open(options_, &disk_).status()), HasSubstr("reserve_bytes = 65536"));
}

TEST_F(LogTest, AReadErrorIsNotTheEndOfTheLog) {
  const auto opened = Open();
  ASSERT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(1, 10, 1)).ok());
  disk_.BreakSector("log/wal-0000000000000001", kSegmentBlockBytes);
  const auto read = opened.log->Read(kOne, Index{1}, Index{1}, 1);
  EXPECT_EQ(read.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(read.status()), HasSubstr("log/wal-0000000000000001: damaged at offset"));
  EXPECT_FALSE(opened.log->fatal());
}

TEST_F(LogTest, AnUnreadableSectorInTheLogIsRefused) {
  Kill([&] {
    auto opened = Open();
    EXPECT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(1, 100, 1)).ok());
    return std::move(opened.log);
  }());
  disk_.BreakSector("log/wal-0000000000000001", kSegmentBlockBytes + 600);
  const auto refused = Log::Open(options_, &disk_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(refused.status()), HasSubstr("Input/output error"));
}

}  // namespace
}  // namespace trireme::raft
