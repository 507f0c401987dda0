// What disk_test.cc cannot see: past the cache or not, and what becomes of it when it is refused.
#include "io/direct_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "io/posix_disk.h"

namespace trireme::io {
namespace {

constexpr std::size_t kSize = 64u << 10;

/// A file that says what it was asked.
class Asked final : public DiskFile {
 public:
  Asked(std::unique_ptr<DiskFile> file, int* read_ahead, int* writes)
      : file_(std::move(file)), read_ahead_(read_ahead), writes_(writes) {}
  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, char* to,
                                     std::size_t size) const override {
    return file_->ReadAt(offset, to, size);
  }
  void WillRead() const override { ++*read_ahead_; }
  absl::Status WriteAt(std::uint64_t offset, std::span<const std::string_view> parts) override {
    ++*writes_;
    return file_->WriteAt(offset, parts);
  }
  absl::Status Sync() override { return file_->Sync(); }
  absl::Status Allocate(std::uint64_t size) override { return file_->Allocate(size); }
  absl::StatusOr<std::uint64_t> Size() const override { return file_->Size(); }

 private:
  const std::unique_ptr<DiskFile> file_;
  int* const read_ahead_;
  int* const writes_;
};

class DirectFileTest : public ::testing::Test {
 protected:
  DirectFileTest() {
    root_ = ::testing::TempDir() + "trireme_direct_file_test.XXXXXX";
    EXPECT_NE(::mkdtemp(root_.data()), nullptr);
    Put(*Open(OpenMode::kCreate), 0, expected_);
  }
  ~DirectFileTest() override { std::filesystem::remove_all(root_); }

  std::string Path() const { return root_ + "/file"; }
  std::unique_ptr<DiskFile> Open(OpenMode mode) {
    auto file = disk_.Open(Path(), mode);
    EXPECT_TRUE(file.ok()) << file.status();
    return *std::move(file);
  }
  std::unique_ptr<DiskFile> Plain() {
    return std::make_unique<Asked>(Open(OpenMode::kReadWrite), &read_ahead_, &writes_);
  }
  static void Put(DiskFile& file, std::uint64_t offset, std::string_view bytes) {
    const absl::Status status = file.WriteAt(offset, std::span(&bytes, 1));
    EXPECT_TRUE(status.ok()) << status;
  }
  std::string Contents() {
    std::string bytes(kSize, '?');
    const auto read = Open(OpenMode::kRead)->ReadAt(0, bytes.data(), bytes.size());
    EXPECT_TRUE(read.ok() && *read == kSize) << read.status();
    return bytes;
  }
  /// Whether the file system of the test lets files be opened so.
  bool SystemGoesDirect() const {
    const int descriptor = ::open(Path().c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC);
    if (descriptor >= 0) ::close(descriptor);
    return descriptor >= 0;
  }

  std::string root_;
  PosixDisk disk_;
  std::string expected_ = std::string(kSize, 'o');
  int read_ahead_ = 0;
  int writes_ = 0;
};

TEST_F(DirectFileTest, GoesPastTheCacheWhereTheSystemDoes) {
  const auto file = DirectFile::Over(Plain(), Path());
  EXPECT_EQ(file->bypasses_cache(), SystemGoesDirect());
  Put(*file, 4096, "abc");
  EXPECT_EQ(file->bypasses_cache(), SystemGoesDirect());
  EXPECT_EQ(writes_, SystemGoesDirect() ? 0 : 1);
  EXPECT_FALSE(Open(OpenMode::kReadWrite)->bypasses_cache());
  EXPECT_EQ(Contents().substr(4096, 3), "abc");
}

TEST_F(DirectFileTest, ReadsAheadAsTheFileUnderItDoes) {
  DirectFile(Plain(), ::open(Path().c_str(), O_WRONLY | O_CLOEXEC)).WillRead();
  EXPECT_EQ(read_ahead_, 1);
}

/// A descriptor that may not be written to refuses as a file system does that wants other blocks.
TEST_F(DirectFileTest, FromTheFirstRefusalOnAllGoesThroughTheCache) {
  DirectFile file(Plain(), ::open(Path().c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(file.bypasses_cache());
  std::uint64_t at = 4096;
  for (const std::size_t size : {10, 5000, 4096, 1}) {
    const std::string bytes(size, static_cast<char>('a' + writes_));
    const auto place = file.Stage(at, size);
    ASSERT_TRUE(place.ok() && *place != nullptr) << place.status();
    bytes.copy(*place, size);
    ASSERT_TRUE(file.WriteStaged().ok());
    Put(file, at + size, "by itself");
    EXPECT_FALSE(file.bypasses_cache());
    expected_.replace(at, size + 9, bytes + "by itself");
    at += size + 9;
  }
  EXPECT_EQ(writes_, 8);
  ASSERT_TRUE(file.Sync().ok());
  const std::size_t rest = 4096 - at % 4096;
  expected_.replace(at, rest, rest, '\0');
  EXPECT_EQ(Contents(), expected_);
}

TEST_F(DirectFileTest, WhatTheSystemDoesNotOpenSoIsLeftAsItIs) {
  auto plain = Plain();
  const DiskFile* const same = plain.get();
  EXPECT_EQ(DirectFile::Over(std::move(plain), "/dev/null").get(), same);
  ASSERT_EQ(::truncate(Path().c_str(), 5000), 0);
  plain = Plain();
  const DiskFile* const odd = plain.get();
  EXPECT_EQ(DirectFile::Over(std::move(plain), Path()).get(), odd);
}

TEST(DirectBufferTest, IsAlignedAndGivenOutAgain) {
  auto first = DirectBuffer::Take();
  auto second = DirectBuffer::Take();
  ASSERT_TRUE(first.ok() && second.ok());
  char* const place = first->data();
  EXPECT_NE(place, second->data());
  for (const char* data : {place, second->data()})
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % DirectBuffer::kAlignment, 0u);
  first->GiveBack();
  EXPECT_EQ(first->data(), nullptr);
  first->GiveBack();
  first = DirectBuffer::Take();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->data(), place);
}

TEST(DirectBufferTest, AFewAreKept) {
  std::vector<DirectBuffer> all;
  for (std::size_t i = 0; i < DirectBuffer::kKeptMax + 2; ++i) {
    auto one = DirectBuffer::Take();
    ASSERT_TRUE(one.ok());
    one->data()[DirectBuffer::kBytes - 1] = 'x';
    all.push_back(*std::move(one));
  }
  all.clear();
  EXPECT_TRUE(DirectBuffer::Take().ok());
}

}  // namespace
}  // namespace trireme::io
