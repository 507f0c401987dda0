// Damage that no crash explains is refused, by file and offset, and changes nothing; what a crash
// may leave is cut.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "raft/log/directory.h"
#include "raft/log/log_testing.h"
#include "raft/log/segment.h"

namespace trireme::raft {
namespace {

using ::testing::HasSubstr;

constexpr GroupId kOne{1};
const char* const kSegment = "log/wal-0000000000000001";

std::string Bytes(io::Disk& disk, const std::string& path) {
  auto file = disk.Open(path, io::OpenMode::kRead);
  EXPECT_TRUE(file.ok()) << file.status();
  std::string bytes((*file)->Size().value(), '\0');
  EXPECT_TRUE((*file)->ReadAt(0, bytes.data(), bytes.size()).ok());
  return bytes;
}

void Put(io::Disk& disk, const std::string& path, std::uint64_t offset, std::string_view bytes) {
  auto file = disk.Open(path, io::OpenMode::kReadWrite);
  EXPECT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->WriteAt(offset, std::span(&bytes, 1)).ok());
  EXPECT_TRUE((*file)->Sync().ok());
}

/// A log of batches 2 to 5 (1 is the start's own), killed after the last one was acknowledged.
class LogDamageTest : public ::testing::Test {
 protected:
  LogDamageTest() {
    auto opened = OpenLog(disk_, SmallLog());
    for (std::uint64_t i = 1; i <= 4; ++i) {
      last_batch_at_ = (Used() + 7) / 8 * 8;
      EXPECT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(i, 1, 1, 30)).ok());
    }
    used_ = Used();
    Kill(std::move(opened.log));
  }
  void Kill(std::unique_ptr<Log> log) {
    disk_.PowerOffAfter(0);
    EXPECT_FALSE(disk_.SyncDirectory("log").ok());
    log.reset();
    disk_.Crash(random_);
  }
  std::uint64_t Used() { return Bytes(disk_, kSegment).find_last_not_of('\0') + 1; }
  /// The last entry that comes back, or what refuses it.
  absl::StatusOr<std::uint64_t> Last() {
    auto opened = Log::Open(SmallLog(), &disk_);
    if (!opened.ok()) return opened.status();
    const std::uint64_t last = opened->groups.empty() ? 0 : opened->groups[0].last.index.value;
    Kill(std::move(opened->log));
    return last;
  }

  io::MemoryDisk disk_;
  Random random_{1};
  std::uint64_t last_batch_at_ = 0;
  std::uint64_t used_ = 0;
};

TEST_F(LogDamageTest, EveryFlippedByteIsRefusedOrInTheTornTail) {
  const std::string whole = Bytes(disk_, kSegment);
  for (std::uint64_t at = 0; at < used_; ++at) {
    disk_.FlipBits(kSegment, at, static_cast<unsigned char>(1u << (at % 8)));
    const std::string damaged = Bytes(disk_, kSegment);
    const auto opened = Log::Open(SmallLog(), &disk_);
    if (at < last_batch_at_) {
      ASSERT_EQ(opened.status().code(), absl::StatusCode::kDataLoss) << at;
      EXPECT_THAT(std::string(opened.status().message()),
                  HasSubstr(std::string(kSegment) + ": damaged at offset"));
      EXPECT_EQ(Bytes(disk_, kSegment), damaged) << "what is refused must not be touched";
      disk_.FlipBits(kSegment, at, static_cast<unsigned char>(1u << (at % 8)));
    } else {
      ASSERT_TRUE(opened.ok()) << at << opened.status();
      EXPECT_EQ(opened->groups[0].last.index, Index{3}) << "one batch is in doubt, no more";
      Kill(std::move(const_cast<Log::Opened&>(*opened).log));
      Put(disk_, kSegment, 0, whole);
    }
  }
  EXPECT_EQ(*Last(), 4u);
}

TEST_F(LogDamageTest, AfterAnOrderlyEndEveryBatchIsKnownDurable) {
  OpenLog(disk_, SmallLog());
  for (std::uint64_t at = kSegmentBlockBytes; at < used_; at += 5) {
    disk_.FlipBits(kSegment, at, 0x10);
    EXPECT_EQ(Log::Open(SmallLog(), &disk_).status().code(), absl::StatusCode::kDataLoss) << at;
    disk_.FlipBits(kSegment, at, 0x10);
  }
}

TEST_F(LogDamageTest, AMessageNamesTheEntry) {
  disk_.FlipBits(kSegment, last_batch_at_ - 10, 1);
  EXPECT_THAT(std::string(Last().status().message()),
              HasSubstr("the data of entry 3 of group 1 (at offset"));
}

TEST_F(LogDamageTest, EveryTornTailIsCutAndWritingGoesOn) {
  const std::string whole = Bytes(disk_, kSegment);
  for (std::uint64_t size = last_batch_at_; size < used_; ++size) {
    Put(disk_, kSegment, 0, whole);
    Put(disk_, kSegment, size, std::string(used_ - size, '\0'));
    {
      const auto opened = OpenLog(disk_, SmallLog());
      ASSERT_EQ(opened.groups[0].last.index, Index{3}) << size;
      ASSERT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(4, 1, 2)).ok());
    }
    EXPECT_EQ(OpenLog(disk_, SmallLog()).groups[0].entries[3], MakeEntries(4, 1, 2)[0]);
  }
}

/// Batches 100 and 101 are written, of the first only the second half survives: it is cut. The
/// new 100 has the same size, so that the old 101 stands right behind it.
TEST_F(LogDamageTest, WhatStandsBehindTheCutIsNeverTakenIn) {
  std::uint64_t torn_at = 0;
  {
    auto opened = OpenLog(disk_, SmallLog());
    torn_at = (Used() + 7) / 8 * 8;
    ASSERT_TRUE(WriteOne(*opened.log, {.group = kOne, .entries = MakeEntries(5, 1, 1, 40)}).ok());
    ASSERT_TRUE(WriteOne(*opened.log, {.group = kOne, .entries = MakeEntries(6, 1, 1, 40)}).ok());
    const std::string whole = Bytes(disk_, kSegment);
    Kill(std::move(opened.log));
    Put(disk_, kSegment, 0, whole);
  }
  Put(disk_, kSegment, torn_at, std::string(16, '\0'));
  {
    auto opened = OpenLog(disk_, SmallLog());
    ASSERT_EQ(opened.groups[0].last.index, Index{4});
    EXPECT_EQ(opened.torn_batches, 1u);
    ASSERT_TRUE(AppendAndSync(*opened.log, kOne, MakeEntries(5, 1, 2, 40)).ok());
    Kill(std::move(opened.log));
  }
  EXPECT_EQ(*Last(), 5u);
}

TEST_F(LogDamageTest, ARecycledFilesOldBatchesAreNeverTakenIn) {
  auto opened = OpenLog(disk_, SmallLog());
  Log& log = *opened.log;
  for (std::uint64_t i = 5; i <= 400; ++i) {
    ASSERT_TRUE(AppendAndSync(log, kOne, MakeEntries(i, 1, 1, 600)).ok());
    if (i % 40 != 0) continue;
    const LogSnapshot snapshot = MakeSnapshot(log, kOne, {Index{i}, Term{1}}, "s");
    ASSERT_TRUE(WriteOne(log, {.group = kOne, .snapshot = snapshot, .drop_to = Index{i}}).ok());
    ASSERT_TRUE(log.Housekeep().ok());
  }
  ASSERT_TRUE(AppendAndSync(log, kOne, MakeEntries(401, 1, 1, 10)).ok());
  Kill(std::move(opened.log));
  const auto files = disk_.List("log");
  ASSERT_TRUE(files.ok());
  ASSERT_EQ(*Last(), 401u);
  ASSERT_EQ(*Last(), 401u);
}

TEST_F(LogDamageTest, ADamagedSnapshotIsFoundWhenItIsRead) {
  const LogPosition last{Index{3}, Term{1}};
  const std::string path = "log/" + SnapshotName(kOne, last);
  auto opened = OpenLog(disk_, SmallLog());
  const LogSnapshot snapshot = MakeSnapshot(*opened.log, kOne, last, std::string(100'000, 'x'));
  ASSERT_TRUE(WriteOne(*opened.log, {.group = kOne, .snapshot = snapshot}).ok());
  disk_.FlipBits(path, 80'000, 1);
  EXPECT_TRUE(opened.log->ReadSnapshot(kOne, Index{3}, 0, 65'536).ok());
  const auto refused = opened.log->ReadSnapshot(kOne, Index{3}, 65'536, 1);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr(path + ": damaged at offset 65596"));
  disk_.FlipBits(path, 10, 1);
  opened.log.reset();
  EXPECT_THAT(std::string(Last().status().message()), HasSubstr(path));
}

}  // namespace
}  // namespace trireme::raft
