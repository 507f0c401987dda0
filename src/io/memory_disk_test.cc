// What a crash of the disk in memory may leave, and what it must.
#include "io/memory_disk.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace trireme::io {
namespace {

constexpr int kSeeds = 400;

class MemoryDiskTest : public ::testing::Test {
 protected:
  MemoryDiskTest() { EXPECT_TRUE(disk_.MakeDirectories("d").ok()); }

  std::unique_ptr<DiskFile> Create(const std::string& path) {
    auto file = disk_.Open(path, OpenMode::kCreate);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }
  /// The file's bytes, or "none".
  static std::string Bytes(MemoryDisk& disk, const std::string& path) {
    auto file = disk.Open(path, OpenMode::kRead);
    if (!file.ok()) return "none";
    std::string to(4096, '?');
    to.resize((*file)->ReadAt(0, to.data(), to.size()).value());
    return to;
  }
  static absl::Status Write(DiskFile& file, std::uint64_t offset, std::string_view bytes) {
    return file.WriteAt(offset, std::span(&bytes, 1));
  }

  MemoryDisk disk_;
};

TEST_F(MemoryDiskTest, WhatWasSyncedSurvives) {
  auto file = Create("d/a");
  ASSERT_TRUE(Write(*file, 0, "kept").ok());
  ASSERT_TRUE(file->Sync().ok());
  ASSERT_TRUE(disk_.SyncDirectory("d").ok());
  Random random(1);
  disk_.Crash(random);
  EXPECT_EQ(Bytes(disk_, "d/a"), "kept");
  EXPECT_EQ(file->Sync().code(), absl::StatusCode::kUnavailable) << "opened before the crash";
}

TEST_F(MemoryDiskTest, UnsyncedSectorsSurviveInEveryCombination) {
  std::set<std::string> seen;
  for (int seed = 0; seed < kSeeds; ++seed) {
    MemoryDisk disk;
    ASSERT_TRUE(disk.MakeDirectories("d").ok());
    auto file = *disk.Open("d/a", OpenMode::kCreate);
    ASSERT_TRUE(file->Allocate(2 * MemoryDisk::kSectorBytes).ok());
    ASSERT_TRUE(file->Sync().ok() && disk.SyncDirectory("d").ok());
    ASSERT_TRUE(Write(*file, MemoryDisk::kSectorBytes - 1, "ab").ok());
    Random random(static_cast<std::uint64_t>(seed));
    disk.Crash(random);
    const std::string bytes = Bytes(disk, "d/a");
    ASSERT_EQ(bytes.size(), 2 * MemoryDisk::kSectorBytes);
    seen.insert(bytes.substr(MemoryDisk::kSectorBytes - 1, 2));
  }
  EXPECT_EQ(seen, (std::set<std::string>{std::string(2, '\0'), std::string("a\0", 2),
                                         std::string("\0b", 2), "ab"}));
}

TEST_F(MemoryDiskTest, UnsyncedNamesSurviveInEveryCombination) {
  std::set<std::string> seen;
  for (int seed = 0; seed < kSeeds; ++seed) {
    MemoryDisk disk;
    ASSERT_TRUE(disk.MakeDirectories("d").ok());
    for (const char* name : {"d/a", "d/b"}) ASSERT_TRUE(disk.Open(name, OpenMode::kCreate).ok());
    ASSERT_TRUE(disk.SyncDirectory("d").ok());
    ASSERT_TRUE(disk.Rename("d/a", "d/c").ok());
    ASSERT_TRUE(disk.Remove("d/b").ok());
    Random random(static_cast<std::uint64_t>(seed));
    disk.Crash(random);
    std::string names;
    const auto entries = disk.List("d");
    ASSERT_TRUE(entries.ok()) << entries.status();
    for (const DiskEntry& entry : *entries) names += entry.name;
    seen.insert(names);
  }
  EXPECT_EQ(seen, (std::set<std::string>{"ab", "bc", "a", "c"}));
}

TEST_F(MemoryDiskTest, AFailedSyncLosesWhatItLeavesReadable) {
  auto file = Create("d/a");
  ASSERT_TRUE(file->Sync().ok() && disk_.SyncDirectory("d").ok());
  ASSERT_TRUE(Write(*file, 0, "lost").ok());
  disk_.FailNextSync();
  EXPECT_EQ(file->Sync().code(), absl::StatusCode::kInternal);
  EXPECT_TRUE(file->Sync().ok()) << "says nothing of what was lost";
  EXPECT_EQ(Bytes(disk_, "d/a"), "lost");
  Random random(1);
  disk_.Crash(random);
  EXPECT_EQ(Bytes(disk_, "d/a"), "");
}

TEST_F(MemoryDiskTest, PowerGoesOffInTheMiddle) {
  std::set<std::string> seen;
  for (int seed = 0; seed < kSeeds; ++seed) {
    MemoryDisk disk;
    ASSERT_TRUE(disk.MakeDirectories("d").ok());
    auto file = *disk.Open("d/a", OpenMode::kCreate);
    ASSERT_TRUE(file->Sync().ok() && disk.SyncDirectory("d").ok());
    disk.PowerOffAfter(1);
    EXPECT_TRUE(Write(*file, 0, "a").ok());
    EXPECT_EQ(Write(*file, 1, "b").code(), absl::StatusCode::kUnavailable);
    EXPECT_TRUE(disk.power_is_off());
    EXPECT_EQ(file->Sync().code(), absl::StatusCode::kUnavailable);
    Random random(static_cast<std::uint64_t>(seed));
    disk.Crash(random);
    seen.insert(Bytes(disk, "d/a"));
  }
  for (const std::string& image : {std::string(), std::string("a"), std::string("\0b", 2),
                                   std::string("a\0", 2), std::string("ab")}) {
    EXPECT_TRUE(seen.contains(image)) << image;
  }
}

TEST_F(MemoryDiskTest, FullDiskRefusesAllocationNotOverwriting) {
  disk_.SetCapacity(1000);
  auto file = Create("d/a");
  ASSERT_TRUE(file->Allocate(1000).ok());
  auto other = Create("d/b");
  EXPECT_EQ(other->Allocate(1).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(Write(*other, 0, "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Write(*file, 999, "x").ok());
  ASSERT_TRUE(disk_.Remove("d/a").ok());
  EXPECT_TRUE(other->Allocate(1000).ok());
}

TEST_F(MemoryDiskTest, BrokenSectorsAndFlippedBits) {
  auto file = Create("d/a");
  ASSERT_TRUE(Write(*file, 0, "abc").ok());
  disk_.FlipBits("d/a", 1, 0x01);
  EXPECT_EQ(Bytes(disk_, "d/a"), "acc");
  disk_.BreakSector("d/a", 0);
  char to[1];
  EXPECT_EQ(file->ReadAt(0, to, 1).status().code(), absl::StatusCode::kInternal);
  ASSERT_TRUE(Write(*file, 0, "new").ok());
  EXPECT_EQ(Bytes(disk_, "d/a"), "new") << "a sector that is written again is sound";
}

TEST_F(MemoryDiskTest, AFailedWriteIsDoneInPart) {
  auto file = Create("d/a");
  disk_.FailNextWrite();
  EXPECT_EQ(Write(*file, 0, "abcd").code(), absl::StatusCode::kInternal);
  EXPECT_EQ(Bytes(disk_, "d/a"), "ab");
  EXPECT_EQ(disk_.counters().writes, 1u);
}

}  // namespace
}  // namespace trireme::io
