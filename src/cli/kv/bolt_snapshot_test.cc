#include "cli/kv/bolt_snapshot.h"

#include <gtest/gtest.h>

#include <cstdio>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "io/file.h"

namespace trireme::kvcli {
namespace {

constexpr std::size_t kPage = 4096;

std::string Header(std::uint64_t id, std::uint16_t flags, std::uint16_t count) {
  std::string bytes;
  AppendLittle<std::uint64_t>(bytes, id);
  AppendLittle<std::uint16_t>(bytes, flags);
  AppendLittle<std::uint16_t>(bytes, count);
  AppendLittle<std::uint32_t>(bytes, 0);
  return bytes;
}

std::string Meta(std::uint64_t id, std::uint64_t transaction) {
  std::string bytes = Header(id, 4, 0);
  for (const std::uint32_t field : {0xED0CDAEDu, 2u, static_cast<std::uint32_t>(kPage), 0u})
    AppendLittle<std::uint32_t>(bytes, field);
  for (const std::uint64_t field : {std::uint64_t{2}, std::uint64_t{0}, std::uint64_t{0},
                                    std::uint64_t{4}, transaction, std::uint64_t{0}})
    AppendLittle<std::uint64_t>(bytes, field);
  bytes.resize(kPage);
  return bytes;
}

/// One key and its value on a leaf.
std::string Leaf(std::uint64_t id, std::uint32_t flags, const std::string& key,
                 const std::string& value) {
  std::string bytes = Header(id, 2, 1);
  for (const std::size_t field : {std::size_t{flags}, std::size_t{16}, key.size(), value.size()})
    AppendLittle<std::uint32_t>(bytes, static_cast<std::uint32_t>(field));
  return bytes + key + value;
}

const std::string kRevision("\0\0\0\0\0\0\0\x07_\0\0\0\0\0\0\0\0", 17);

/// Two metas, the root with the bucket "key" by page, which holds one revision.
std::string Database() {
  std::string bucket;
  AppendLittle<std::uint64_t>(bucket, 3);
  AppendLittle<std::uint64_t>(bucket, 0);
  std::string root = Leaf(2, 1, "key", bucket);
  root.resize(kPage);
  std::string page = Leaf(3, 0, kRevision, "value");
  page.resize(kPage);
  return Meta(0, 1) + Meta(1, 2) + root + page;
}

class BoltTest : public testing::Test {
 protected:
  ~BoltTest() override { std::remove(path_.c_str()); }
  absl::StatusOr<SnapshotStatus> StatusOf(const std::string& bytes) {
    auto file = io::File::Create(path_);
    EXPECT_TRUE(file.ok() && file->Append(bytes).ok() && file->Close().ok());
    return BoltStatus(path_);
  }
  const std::string path_ = testing::TempDir() + "/" +
                            testing::UnitTest::GetInstance()->current_test_info()->name() +
                            ".trireme-bolt";
};

TEST_F(BoltTest, CountsAndHashes) {
  const auto status = StatusOf(Database());
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->revision, 7);
  EXPECT_EQ(status->keys, 1);
  EXPECT_EQ(status->size_bytes, 4 * 4096);
  EXPECT_EQ(status->hash, Crc32c("key" + kRevision + "value"));
}

TEST_F(BoltTest, RecognizesItsMagic) {
  EXPECT_TRUE(IsBolt(Database()));
  EXPECT_FALSE(IsBolt("short"));
  EXPECT_FALSE(IsBolt(std::string(64, '\0')));
}

TEST_F(BoltTest, RefusesADatabaseCutShort) {
  for (const std::size_t size : {std::size_t{0}, std::size_t{100}, kPage, 3 * kPage, 4 * kPage - 1})
    EXPECT_FALSE(StatusOf(Database().substr(0, size)).ok()) << size;
}

TEST_F(BoltTest, RefusesALoop) {
  std::string bytes = Database();
  StoreLittle<std::uint64_t>(bytes.data() + 2 * kPage + 16 + 16 + 3, 2);  // The bucket's page.
  EXPECT_FALSE(StatusOf(bytes).ok());
}

TEST_F(BoltTest, BearsAnyByte) {
  const std::string whole = Database();
  int refused = 0;
  for (const std::size_t page : {std::size_t{1}, std::size_t{2}, std::size_t{3}}) {
    for (std::size_t i = page * kPage; i < page * kPage + 96; ++i) {
      std::string bytes = whole;
      bytes[i] = '\xff';
      refused += StatusOf(bytes).ok() ? 0 : 1;
    }
  }
  EXPECT_GT(refused, 50);
}

}  // namespace
}  // namespace trireme::kvcli
