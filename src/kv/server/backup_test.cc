#include "kv/server/backup.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "kv/model/model.h"
#include "kv/store/memory_store.h"

namespace trireme::kv::inline engine {
namespace {

class BackupTest : public testing::Test {
 protected:
  BackupTest()
      : path_(testing::TempDir() + "backup_test." +
              testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(path_ + ".d");
  }
  ~BackupTest() override {
    std::filesystem::remove(path_);
    std::filesystem::remove_all(path_ + ".d");
  }

  /// A backup of so many keys.
  std::string Make(int keys) {
    MemoryStore store;
    auto model = Model::Open(store).value();
    for (int i = 0; i < keys; ++i) {
      const std::string key = "key" + std::to_string(i);
      Outcome outcome;
      EXPECT_TRUE(model
                      ->Apply(static_cast<std::uint64_t>(i) + 1, 1,
                              Command{.body = PutRequest{.key = key, .value = "value"}}, &outcome)
                      .ok());
    }
    EXPECT_TRUE(model->Commit().ok());
    std::string bytes;
    EXPECT_TRUE(WriteBackup(*model->View(), 3, [&](const std::string& part) {
                  bytes += part;
                  return absl::OkStatus();
                }).ok());
    hash_ = model->View()->Hash(0)->hash;
    return bytes;
  }
  void Write(std::string_view bytes) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }

  const std::string path_;
  std::uint32_t hash_ = 0;
};

TEST_F(BackupTest, SaysWhatIsInIt) {
  for (const int keys : {0, 1, 5, 1000}) {
    const std::string bytes = Make(keys);
    EXPECT_EQ(bytes.size() % 512, 32u);
    Write(bytes);
    const auto status = InspectBackup(path_);
    ASSERT_TRUE(status.ok()) << status.status();
    EXPECT_EQ(status->keys, keys);
    EXPECT_EQ(status->revision, keys + 1);
    EXPECT_EQ(status->hash, hash_);
    EXPECT_EQ(status->size_bytes, bytes.size());
  }
}

TEST_F(BackupTest, DamageIsFoundWhereverItIs) {
  const std::string bytes = Make(20);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 4);
    Write(damaged);
    EXPECT_TRUE(absl::IsDataLoss(InspectBackup(path_).status())) << at;
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{32}, bytes.size() - 512}) {
    Write(std::string_view(bytes).substr(0, size));
    EXPECT_TRUE(absl::IsDataLoss(InspectBackup(path_).status())) << size;
  }
}

TEST_F(BackupTest, ADamagedOneLeavesNoDirectory) {
  std::string bytes = Make(20);
  bytes[100] ^= 1;
  Write(bytes);
  RestoreOptions options;
  options.path = path_;
  options.server.data_dir = path_ + ".d";
  EXPECT_TRUE(absl::IsDataLoss(RestoreBackup(options)));
  EXPECT_FALSE(std::filesystem::exists(options.server.data_dir));
  std::filesystem::create_directory(options.server.data_dir);
  EXPECT_TRUE(absl::IsFailedPrecondition(RestoreBackup(options)));
}

}  // namespace
}  // namespace trireme::kv::inline engine
