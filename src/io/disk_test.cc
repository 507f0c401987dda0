// What every Disk promises, over each of them.
#include "io/disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "io/memory_disk.h"
#include "io/posix_disk.h"

namespace trireme::io {
namespace {

using ::testing::ElementsAre;

class DiskTest : public ::testing::TestWithParam<bool> {
 protected:
  DiskTest() {
    char name[] = "/tmp/trireme-disk-XXXXXX";
    directory_ = ::mkdtemp(name);
    if (GetParam()) {
      disk_ = std::make_unique<PosixDisk>();
    } else {
      disk_ = std::make_unique<MemoryDisk>();
      EXPECT_TRUE(disk_->MakeDirectories(directory_).ok());
    }
  }
  ~DiskTest() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::unique_ptr<DiskFile> Open(const std::string& name, OpenMode mode) {
    auto file = disk_->Open(Path(name), mode);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }
  static void Write(DiskFile& file, std::uint64_t offset, std::vector<std::string_view> parts) {
    const absl::Status status = file.WriteAt(offset, parts);
    EXPECT_TRUE(status.ok()) << status;
  }
  static std::string Read(const DiskFile& file, std::uint64_t offset, std::size_t size) {
    std::string to(size, '?');
    const auto n = file.ReadAt(offset, to.data(), size);
    EXPECT_TRUE(n.ok()) << n.status();
    to.resize(*n);
    return to;
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    const auto entries = disk_->List(directory_);
    EXPECT_TRUE(entries.ok()) << entries.status();
    for (const DiskEntry& entry : *entries) names.push_back(entry.name);
    return names;
  }

  std::string directory_;
  std::unique_ptr<Disk> disk_;
};

/// Against a string; sizes and places that begin and end anywhere in a block, small and great.
TEST_P(DiskTest, OverwritingWritesWhatItIsGivenAndZeroesTheRestOfTheBlock) {
  constexpr std::uint64_t kSize = 12u << 20;
  std::string expected(kSize, 'o');
  Write(*Open("file", OpenMode::kCreate), 0, {expected});
  const auto file = Open("file", OpenMode::kOverwrite);
  std::uint64_t at = 0;
  char letter = 'a';
  const auto write = [&](std::size_t first, std::size_t second) {
    const std::string bytes(first + second, letter);
    letter = letter == 'z' ? 'a' : static_cast<char>(letter + 1);
    const std::string_view whole(bytes);
    Write(*file, at, {whole.substr(0, first), whole.substr(first)});
    expected.replace(at, bytes.size(), bytes);
    at += bytes.size();
    const std::uint64_t block = (at + kOverwriteBlockBytes - 1) / kOverwriteBlockBytes;
    expected.replace(at, block * kOverwriteBlockBytes - at, block * kOverwriteBlockBytes - at,
                     '\0');
  };
  for (const std::size_t size : {1, 100, 3995, 4096, 1, 4095, 70'000, 0, 12'288}) {
    write(size, 0);
    write(7, size);
    ASSERT_EQ(Read(*file, 0, kSize), expected) << size;
  }
  write(5u << 20, 3);  // more than one call of the system takes
  at = 1000;           // not where the last one ended
  write(10, 0);
  ASSERT_TRUE(file->Sync().ok());
  EXPECT_EQ(Read(*file, 0, kSize), expected);
  EXPECT_EQ(Read(*Open("file", OpenMode::kRead), 0, kSize), expected);
  EXPECT_EQ(*file->Size(), kSize);
}

TEST_P(DiskTest, OverwritingAFileOfAnySize) {
  Write(*Open("file", OpenMode::kCreate), 0, {std::string(5000, 'o')});
  const auto file = Open("file", OpenMode::kOverwrite);
  Write(*file, 4090, {"0123456789"});
  EXPECT_EQ(Read(*file, 4088, 14).substr(0, 12), "oo0123456789");
  EXPECT_EQ(*file->Size(), 5000u);
}

/// In turn with WriteAt, over the same blocks; where nothing can be staged, by WriteAt alone.
TEST_P(DiskTest, WhatIsStagedIsWritten) {
  std::string expected(40 << 10, 'o');
  Write(*Open("file", OpenMode::kCreate), 0, {expected});
  const auto file = Open("file", OpenMode::kOverwrite);
  std::size_t at = 0;
  for (std::size_t size : {10, 4096, 1, 5000, 12288, 7, 3000}) {
    const std::string bytes(size, static_cast<char>('a' + size % 26));
    const auto place = file->Stage(at, size);
    ASSERT_TRUE(place.ok()) << place.status();
    if (*place != nullptr) {
      bytes.copy(*place, size);
      ASSERT_TRUE(file->WriteStaged().ok());
      EXPECT_FALSE(file->WriteStaged().ok()) << "it is written already";
    } else {
      Write(*file, at, {bytes});
    }
    Write(*file, at + size, {"then by itself"});
    expected.replace(at, size + 14, bytes + "then by itself");
    at += size + 14;
  }
  EXPECT_EQ(Read(*file, 0, at), expected.substr(0, at));
  EXPECT_EQ(Read(*file, at / 4096 * 4096 + 4096, 64), std::string(64, 'o'));
}

/// As a log does that was killed: what stands in the block already is written again as it is.
TEST_P(DiskTest, OverwritingGoesOnInTheMiddleOfABlock) {
  for (const std::size_t size : {1, 511, 512, 513, 4095, 4096, 4097, 9000}) {
    const std::string name = "file" + std::to_string(size);
    std::string expected(64 << 10, 'o');
    Write(*Open(name, OpenMode::kCreate), 0, {expected});
    std::size_t at = 4096;
    for (char letter = 'a'; letter < 'f'; ++letter) {
      const std::string bytes(size, letter);
      Write(*Open(name, OpenMode::kOverwrite), at, {bytes});
      expected.replace(at, size, bytes);
      at += size;
      const std::size_t rest = (4096 - at % 4096) % 4096;
      expected.replace(at, rest, rest, '\0');
      ASSERT_EQ(Read(*Open(name, OpenMode::kRead), 0, expected.size()), expected) << size;
    }
  }
}

TEST_P(DiskTest, WhatWasStagedAndNotWrittenIsGone) {
  std::string expected(16 << 10, 'o');
  Write(*Open("file", OpenMode::kCreate), 0, {expected});
  const auto file = Open("file", OpenMode::kOverwrite);
  for (const std::size_t size : {5000, 100}) {
    const auto place = file->Stage(10, size);
    ASSERT_TRUE(place.ok()) << place.status();
    if (*place != nullptr) std::string(size, 'x').copy(*place, size);
  }
  Write(*file, 4096, {"y"});
  EXPECT_FALSE(file->WriteStaged().ok());
  expected.replace(4096, 4096, "y" + std::string(4095, '\0'));
  EXPECT_EQ(Read(*file, 0, expected.size()), expected);
}

TEST_P(DiskTest, TooMuchIsNotStaged) {
  Write(*Open("file", OpenMode::kCreate), 0, {std::string(4096, 'o')});
  const auto file = Open("file", OpenMode::kOverwrite);
  const auto place = file->Stage(100, 4u << 20);
  ASSERT_TRUE(place.ok()) << place.status();
  EXPECT_EQ(*place, nullptr);
}

INSTANTIATE_TEST_SUITE_P(Each, DiskTest, ::testing::Values(false, true),
                         [](const auto& info) { return info.param ? "Posix" : "Memory"; });

TEST_P(DiskTest, GathersAndReadsBack) {
  auto file = Open("a", OpenMode::kCreate);
  Write(*file, 3, {"one", "", "two"});
  EXPECT_EQ(Read(*file, 0, 100), std::string("\0\0\0", 3) + "onetwo");
  EXPECT_EQ(Read(*file, 5, 2), "et");
  EXPECT_EQ(Read(*file, 9, 2), "");
  EXPECT_TRUE(file->Sync().ok());
}

TEST_P(DiskTest, MorePartsThanOneCallTakes) {
  auto file = Open("a", OpenMode::kCreate);
  std::string expected;
  std::vector<std::string> owned;
  for (int i = 0; i < 5000; ++i) owned.push_back(std::to_string(i));
  std::vector<std::string_view> parts(owned.begin(), owned.end());
  for (const std::string& part : owned) expected += part;
  Write(*file, 0, parts);
  EXPECT_EQ(Read(*file, 0, expected.size() + 1), expected);
}

TEST_P(DiskTest, AllocateGivesSizeAndZeros) {
  auto file = Open("a", OpenMode::kCreate);
  ASSERT_TRUE(file->Allocate(10'000).ok());
  EXPECT_EQ(*file->Size(), 10'000u);
  EXPECT_EQ(Read(*file, 9'990, 100), std::string(10, '\0'));
  ASSERT_TRUE(file->Allocate(100).ok());
  EXPECT_EQ(*file->Size(), 100u);
}

TEST_P(DiskTest, NamesAndErrors) {
  EXPECT_EQ(disk_->Open(Path("a"), OpenMode::kRead).status().code(), absl::StatusCode::kNotFound);
  Open("b", OpenMode::kCreate);
  Open("a", OpenMode::kCreate);
  EXPECT_EQ(disk_->Open(Path("a"), OpenMode::kCreate).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Names(), ElementsAre("a", "b"));
  ASSERT_TRUE(disk_->Rename(Path("a"), Path("b")).ok());
  EXPECT_EQ(disk_->Rename(Path("a"), Path("b")).code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Names(), ElementsAre("b"));
  ASSERT_TRUE(disk_->Remove(Path("b")).ok());
  EXPECT_EQ(disk_->Remove(Path("b")).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(disk_->SyncDirectory(directory_).ok());
  EXPECT_EQ(disk_->List(Path("none")).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(DiskTest, MakesParents) {
  ASSERT_TRUE(disk_->MakeDirectories(Path("x/y/z")).ok());
  ASSERT_TRUE(disk_->MakeDirectories(Path("x/y/z")).ok());
  EXPECT_TRUE(disk_->Open(Path("x/y/z/file"), OpenMode::kCreate).ok());
}

TEST_P(DiskTest, OneLockAtATime) {
  auto first = disk_->Lock(Path("lock"));
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(disk_->Lock(Path("lock")).status().code(), absl::StatusCode::kFailedPrecondition);
  first->reset();
  EXPECT_TRUE(disk_->Lock(Path("lock")).ok());
}

}  // namespace
}  // namespace trireme::io
