// The store in files: the model over it, what survives a process, and what a damaged one says. Not
// under ThreadSanitizer: Debian's RocksDB is not instrumented.
#include "kv/store/rocks_store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "fmt/format.h"
#include "kv/model/test_against_twin.h"

namespace trireme::kv {
namespace {

class RocksStoreTest : public ::testing::Test {
 protected:
  /// A child runs the test again up to its death, and takes the directory from the environment.
  RocksStoreTest() {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    const std::string own =
        std::filesystem::temp_directory_path() / fmt::format("trireme-rocks-{}", ::getpid());
    ::setenv("TRIREME_ROCKS_TEST_DIRECTORY", own.c_str(), /*overwrite=*/0);
    directory_ = ::getenv("TRIREME_ROCKS_TEST_DIRECTORY");
    std::filesystem::remove_all(directory_);
  }
  ~RocksStoreTest() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<RocksStore> Open(const RocksStoreOptions& options = {}) const {
    auto store = RocksStore::Open(directory_, options);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }

  static void Put(Model& model, std::string_view key, std::string_view value) {
    Outcome outcome;
    const Command command = {.body = PutRequest{.key = key, .value = value}};
    ASSERT_TRUE(model.Apply(model.applied_index() + 1, 1, command, &outcome).ok());
    ASSERT_TRUE(model.Commit().ok());
  }

  std::string directory_;
};

TEST_F(RocksStoreTest, TheModelOverItIsTheTwin) {
  for (std::uint64_t seed = 2000; seed < 2010 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    std::filesystem::remove_all(directory_);
    const auto store = Open();
    ASSERT_NE(store, nullptr);
    AgainstTwin(*store, seed).Run(200);
  }
}

/// With files instead of one table in memory: versions of a key lie in several.
TEST_F(RocksStoreTest, TheModelOverFilesIsTheTwin) {
  const auto store = Open({.overlay_bytes = 64 << 10});
  ASSERT_NE(store, nullptr);
  AgainstTwin run(*store, 3000);
  for (int i = 0; i < 15 && !HasFailure(); ++i) {
    run.Run(30);
    ASSERT_TRUE(store->Flush().ok());
  }
}

/// A process that dies without a flush loses the end of the log's effects, and never a part of a
/// commit: what it says it has applied is what it has applied.
TEST_F(RocksStoreTest, AKilledProcessLeavesAWholePrefix) {
  const auto die = [this] {
    auto store = RocksStore::Open(directory_, {.overlay_bytes = 150 << 10});
    auto model = Model::Open(**store);
    for (int i = 0; i < 3000; ++i)
      Put(**model, fmt::format("key{}", i % 700), std::string(100, 'v'));
    ::_exit(0);  // no destructor: nothing is flushed
  };
  EXPECT_EXIT(die(), ::testing::ExitedWithCode(0), "");
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  const auto model = Model::Open(*store);
  ASSERT_TRUE(model.ok()) << model.status();
  const auto applied = static_cast<std::int64_t>((*model)->applied_index());
  EXPECT_GT(applied, 0);
  EXPECT_LE(applied, 3000);
  EXPECT_EQ((*model)->meta().revision, applied + 1);
  Error error = Error::kNone;
  RangeResult all;
  ASSERT_TRUE((*model)->View()->Range({.key = kFromKey, .end = kFromKey}, &error, &all).ok());
  EXPECT_EQ(all.count, std::min<std::int64_t>(applied, 700));
  std::int64_t newest = 0;
  for (const KeyValue& kv : all.kvs) newest = std::max(newest, kv.mod_revision);
  EXPECT_EQ(newest, applied + 1);
}

TEST_F(RocksStoreTest, AFlushSurvivesTheProcess) {
  const auto die = [this] {
    auto store = RocksStore::Open(directory_);
    auto model = Model::Open(**store);
    for (int i = 0; i < 10; ++i) Put(**model, "key", fmt::format("{}", i));
    ::_exit((*store)->Flush().ok() ? 0 : 1);
  };
  EXPECT_EXIT(die(), ::testing::ExitedWithCode(0), "");
  const auto store = Open();
  const auto model = Model::Open(*store);
  EXPECT_EQ((*model)->applied_index(), 10u);
}

TEST_F(RocksStoreTest, ADirectoryInUseIsNamed) {
  const auto store = Open();
  const auto second = RocksStore::Open(directory_);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find(directory_), std::string_view::npos);
}

TEST_F(RocksStoreTest, DamageIsDataLoss) {
  {
    const auto store = Open();
    const auto model = Model::Open(*store);
    for (int i = 0; i < 100; ++i) Put(**model, fmt::format("key{}", i), std::string(200, 'v'));
    ASSERT_TRUE(store->Flush().ok());
  }
  for (const auto& file : std::filesystem::directory_iterator(directory_)) {
    if (file.path().extension() != ".sst") continue;
    std::fstream bytes(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    bytes.seekp(100);
    bytes << "damage";
  }
  const auto store = RocksStore::Open(directory_);
  absl::Status status = store.status();
  if (status.ok()) {
    const auto model = Model::Open(**store);
    status = model.status();
    Error error = Error::kNone;
    RangeResult all;
    if (status.ok())
      status = (*model)->View()->Range({.key = kFromKey, .end = kFromKey}, &error, &all);
  }
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

}  // namespace
}  // namespace trireme::kv
