#include "io/direct_writer.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

namespace trireme::io {
namespace {

constexpr std::size_t kAll = kDirectBuffers * kDirectBufferBytes;

class DirectWriterTest : public ::testing::Test {
 protected:
  DirectWriterTest() {
    root_ = ::testing::TempDir() + "trireme_direct_test.XXXXXX";
    EXPECT_NE(::mkdtemp(root_.data()), nullptr);
  }
  ~DirectWriterTest() override { std::filesystem::remove_all(root_); }

  std::string Path() const { return root_ + "/file"; }
  std::string Contents() const {
    std::stringstream contents;
    contents << std::ifstream(Path(), std::ios::binary).rdbuf();
    return contents.str();
  }
  static std::string Bytes(std::size_t size) {
    std::string bytes(size, '\0');
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 24);
    return bytes;
  }
  /// The file that `bytes` make, appended in pieces of `piece` bytes.
  std::string Written(const std::string& bytes, std::size_t piece) {
    auto file = File::Create(Path());
    EXPECT_TRUE(file.ok());
    DirectWriter writer(&*file);
    for (std::size_t at = 0; at < bytes.size(); at += piece)
      EXPECT_TRUE(writer.Append(std::string_view(bytes).substr(at, piece)).ok());
    EXPECT_TRUE(writer.Finish().ok());
    EXPECT_TRUE(file->Sync().ok());
    return Contents();
  }

  std::string root_;
};

TEST_F(DirectWriterTest, FilesOfAllSizesAreWhatWasAppended) {
  const std::size_t sizes[] = {
      0,    1,        4095,        kDirectBufferBytes, kAll - 1,
      kAll, kAll + 1, kAll + 4096, 3 * kAll,           3 * kAll + kDirectBufferBytes + 12345};
  for (const std::size_t size : sizes) {
    const std::string bytes = Bytes(size);
    for (const std::size_t piece : {std::size_t{100'003}, kDirectBufferBytes, kAll + 5})
      EXPECT_TRUE(Written(bytes, piece) == bytes) << size << " bytes by " << piece;
  }
}

TEST_F(DirectWriterTest, AFileThatIsDroppedEndsTheThread) {
  auto file = File::Create(Path());
  ASSERT_TRUE(file.ok());
  std::optional<DirectWriter> writer;
  writer.emplace(&*file);
  ASSERT_TRUE(writer->Append(Bytes(5 * kAll)).ok());
  writer.reset();
  EXPECT_LE(*file->Size(), 5 * kAll);
}

/// A device that has no O_DIRECT and no space: both are found out, the second is said.
TEST_F(DirectWriterTest, AFullDiskIsAnErrorOfAnAppendOrOfTheEnd) {
  for (const std::size_t size : {std::size_t{1}, kAll, 9 * kAll}) {
    auto file = File::Create("/dev/full");
    ASSERT_TRUE(file.ok());
    DirectWriter writer(&*file);
    const std::string piece = Bytes(kDirectBufferBytes);
    absl::Status status;
    for (std::size_t at = 0; at < size && status.ok(); at += piece.size())
      status = writer.Append(std::string_view(piece).substr(0, size - at));
    EXPECT_EQ(status.ok(), size <= kAll) << "a long file must not be filled in vain";
    if (status.ok()) status = writer.Finish();
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_EQ(std::string(status.message()), "write /dev/full: No space left on device");
  }
}

/// A limit that is no multiple of what O_DIRECT writes leaves a part that it cannot write.
TEST_F(DirectWriterTest, AFileThatMayNotGrowIsWrittenUpToItsLimit) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const std::size_t limit = 2 * kAll + 1000;
  const rlimit small{limit, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  auto file = File::Create(Path());
  ASSERT_TRUE(file.ok());
  DirectWriter writer(&*file);
  absl::Status status = writer.Append(Bytes(4 * kAll));
  if (status.ok()) status = writer.Finish();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(std::string(status.message()), "write " + Path() + ": File too large");
  EXPECT_EQ(*file->Size(), limit);
}

}  // namespace
}  // namespace trireme::io
