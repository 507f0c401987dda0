// What a log in full flow does while a segment is being made for it.
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "io/memory_disk.h"
#include "raft/log/log_testing.h"

namespace trireme::raft {
namespace {

constexpr GroupId kOne{1};

/// A disk in memory that tells of each spare segment which is about to be made.
class TellingDisk final : public io::Disk {
 public:
  std::function<void()> making_spare = [] {};

  absl::StatusOr<std::unique_ptr<io::DiskFile>> Open(const std::string& path,
                                                     io::OpenMode mode) override {
    if (mode == io::OpenMode::kCreate && path.ends_with("tmp-spare")) making_spare();
    return disk_.Open(path, mode);
  }
  absl::StatusOr<std::vector<io::DiskEntry>> List(const std::string& directory) override {
    return disk_.List(directory);
  }
  absl::Status Rename(const std::string& from, const std::string& to) override {
    return disk_.Rename(from, to);
  }
  absl::Status Remove(const std::string& path) override { return disk_.Remove(path); }
  absl::Status MakeDirectories(const std::string& path) override {
    return disk_.MakeDirectories(path);
  }
  absl::Status SyncDirectory(const std::string& directory) override {
    return disk_.SyncDirectory(directory);
  }
  absl::StatusOr<std::unique_ptr<io::DiskLock>> Lock(const std::string& path) override {
    return disk_.Lock(path);
  }

 private:
  io::MemoryDisk disk_;
};

/// Fills a segment, and lets go of all that is in it.
void UseUpASegment(Log& log, std::uint64_t* last) {
  const auto before = log.Stats();
  while (log.Stats().segments == before.segments)
    ASSERT_TRUE(AppendAndSync(log, kOne, {MakeEntry(++*last, 1, std::string(4000, 'd'))}).ok());
  const LogSnapshot snapshot = MakeSnapshot(log, kOne, {Index{*last}, Term{1}}, "s");
  ASSERT_TRUE(WriteOne(log, {.group = kOne, .snapshot = snapshot, .drop_to = Index{*last}}).ok());
}

/// A log that uses segments up as fast as they are made would otherwise get a new one each time,
/// for ever, and never one of those that it lets go of meanwhile.
TEST(LogSparesTest, WhatBecomesFreeMeanwhileComesBeforeMoreThatAreNew) {
  TellingDisk disk;
  ASSERT_TRUE(disk.MakeDirectories("/node").ok());
  LogOptions options = SmallLog("/node");
  options.spare_segments = 2;
  options.recycled_segments_max = 8;
  const auto opened = OpenLog(disk, options);
  Log& log = *opened.log;
  std::uint64_t last = 0;
  int made = 0;
  disk.making_spare = [&] {
    if (++made <= 20) UseUpASegment(log, &last);
  };
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(log.Housekeep().ok());
  EXPECT_LE(made, 6) << "a new one for each that was used up";
  EXPECT_GE(log.Stats().spare_segments, 1u);
  disk.making_spare = [] {};
  while (log.wants_housekeeping()) ASSERT_TRUE(log.Housekeep().ok());
  EXPECT_GE(log.Stats().spare_segments, 2u);
}

}  // namespace
}  // namespace trireme::raft
