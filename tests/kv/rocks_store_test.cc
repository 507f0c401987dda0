// The store in files: the model over it, what survives a process, and what a damaged one says. Not
// under ThreadSanitizer: Debian's RocksDB is not instrumented.
#include "kv/store/rocks_store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "base/random.h"
#include "fmt/format.h"
#include "io/process.h"
#include "kv/model/test_against_twin.h"
#include "kv/store/files_stream.h"
#include "kv/store/memory_store.h"
#include "kv/store_commands.h"
#include "rocksdb/db.h"
#include "rocksdb/perf_context.h"

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

  static RangeResult All(const ReadView& view, std::int64_t revision = 0) {
    Error error = Error::kNone;
    RangeResult all;
    const RangeRequest request = {.key = kFromKey, .end = kFromKey, .revision = revision};
    EXPECT_EQ(view.Range(request, &error, &all), absl::OkStatus());
    return all;
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

/// By count: what a range at the newest revision costs does not grow with the keys' history.
TEST_F(RocksStoreTest, ARangeStepsOverNoOldVersionsInFiles) {
  constexpr int kKeys = 200, kFlushes = 20, kPutsEach = 5;
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  const auto model = *Model::Open(*store);
  for (int i = 0; i < kFlushes * kPutsEach * kKeys; ++i) {
    Put(*model, fmt::format("key{}", i % kKeys), fmt::format("{}", i));
    if ((i + 1) % (kPutsEach * kKeys) == 0) {
      ASSERT_TRUE(store->Flush().ok());
    }
  }
  const auto view = model->View();
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kEnableCount);
  rocksdb::get_perf_context()->Reset();
  const RangeResult newest = All(*view);
  const auto& counts = *rocksdb::get_perf_context();
  // A key stands once in each run of newest versions, of which there are few once files are merged,
  // and never more than flushes.
  EXPECT_LE(counts.internal_key_skipped_count, std::uint64_t{kFlushes} * kKeys);
  EXPECT_LE(counts.seek_child_seek_count, 3u * kFlushes);
  rocksdb::SetPerfLevel(rocksdb::PerfLevel::kDisable);
  ASSERT_EQ(newest.kvs.size(), std::size_t{kKeys});
  const RangeResult before = All(*view, view->meta().revision - kKeys);
  ASSERT_EQ(before.kvs.size(), std::size_t{kKeys});
  for (std::size_t i = 0; i < newest.kvs.size(); ++i) {
    EXPECT_EQ(newest.kvs[i].version, kFlushes * kPutsEach);
    EXPECT_EQ(before.kvs[i].version, kFlushes * kPutsEach - 1);
    EXPECT_EQ(newest.kvs[i].mod_revision, before.kvs[i].mod_revision + kKeys);
  }
}

/// Large values are not repeated among the newest versions, and are read where they are.
TEST_F(RocksStoreTest, LargeValuesAreFoundFromTheNewest) {
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  const auto model = *Model::Open(*store);
  const std::string large(100'000, 'l');
  for (const char* key : {"a", "b", "c"}) Put(*model, key, large + key);
  ASSERT_TRUE(store->Flush().ok());
  Put(*model, "b", "small");
  ASSERT_TRUE(store->Flush().ok());
  const RangeResult all = All(*model->View());
  ASSERT_EQ(all.kvs.size(), 3u);
  EXPECT_EQ(all.kvs[0].value, large + "a");
  EXPECT_EQ(all.kvs[1].value, "small");
  EXPECT_EQ(all.kvs[2].value, large + "c");
  Error error = Error::kNone;
  RangeResult one;
  ASSERT_EQ(model->View()->Range({.key = "c"}, &error, &one), absl::OkStatus());
  ASSERT_EQ(one.kvs.size(), 1u);
  EXPECT_EQ(one.kvs[0].value, large + "c");
}

/// As a program from before they were kept apart leaves it.
void DropNewest(const std::string& directory) {
  std::vector<std::string> names;
  ASSERT_TRUE(rocksdb::DB::ListColumnFamilies({}, directory, &names).ok());
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const std::string& name : names) families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open({}, directory, families, &handles, &opened).ok());
  const std::unique_ptr<rocksdb::DB> db(opened);
  int dropped = 0;
  for (rocksdb::ColumnFamilyHandle* handle : handles) {
    if (handle->GetName() == "newest" && db->DropColumnFamily(handle).ok()) ++dropped;
    ASSERT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
  }
  ASSERT_EQ(dropped, 1);
}

TEST_F(RocksStoreTest, AStoreWithoutNewestVersionsCollectsThem) {
  RangeResult before;
  {
    const auto store = Open();
    const auto model = *Model::Open(*store);
    for (int i = 0; i < 500; ++i) Put(*model, fmt::format("key{}", i % 70), fmt::format("{}", i));
    ASSERT_TRUE(store->Flush().ok());
    for (int i = 0; i < 100; ++i) Put(*model, fmt::format("key{}", i % 50), fmt::format("x{}", i));
    ASSERT_TRUE(store->Flush().ok());
    before = All(*model->View());
  }
  DropNewest(directory_);
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  const auto model = *Model::Open(*store);
  EXPECT_EQ(before.kvs.size(), 70u);
  EXPECT_EQ(All(*model->View()).kvs, before.kvs);
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

/// What the process says is flushed; it ends with the object, by SIGKILL.
class Writer {
 public:
  Writer(const std::string& directory, int seed) {
    auto pipe = io::MakePipe();
    io::SpawnOptions options;
    options.program = TRIREME_ROCKS_WRITER;
    options.argv = {"rocks_writer", directory, fmt::format("{}", seed)};
    options.environment = io::CurrentEnvironment();
    options.stdout_fd = pipe->write.get();
    auto process = io::Process::Spawn(options);
    EXPECT_TRUE(process.ok()) << process.status();
    if (process.ok()) process_ = *std::move(process);
    says_ = std::move(pipe->read);
  }
  /// The next entry up to which all is flushed; 0: it has ended.
  std::uint64_t Next() {
    std::uint64_t flushed = 0;
    return ::read(says_.get(), &flushed, sizeof flushed) == sizeof flushed ? flushed : 0;
  }

 private:
  io::Process process_;
  io::Fd says_;
};

/// Everything that a client can tell of a state.
std::string Described(const ReadView& view) {
  const auto hash = view.Hash(0);
  const Meta& meta = view.meta();
  std::string text = fmt::format("applied {} revision {} compacted {} time {} floor {} hash {:x}\n",
                                 meta.applied_index, meta.revision, meta.compacted, meta.time_ms,
                                 meta.lease_floor_ms, hash.ok() ? hash->hash : 0);
  const std::vector<LeaseId> leases = *view.Leases();
  for (const LeaseId lease : leases) {
    const LeaseStatus status = *view.TimeToLive(lease, 0, true);
    text += fmt::format("lease {}:", lease);
    for (const std::string& key : status.keys) text += " " + key;
    text += "\n";
  }
  return text;
}

/// Killed at any point, the store holds the state of the entry that it says it holds, which is not
/// before one that was said to be flushed.
TEST_F(RocksStoreTest, AStoreKilledAtAnyPointHoldsTheStateItNames) {
  MemoryStore other;
  const auto twin = *Model::Open(other);
  Random random(20);
  for (int round = 0; round < 20; ++round) {
    SCOPED_TRACE(round);
    std::uint64_t flushed = 0;
    {
      Writer writer(directory_, round);
      for (std::uint64_t n = 1 + random.Below(15); n > 0; --n) {
        flushed = writer.Next();
        ASSERT_GT(flushed, twin->applied_index());
      }
      // Within what it does next.
      for (std::uint64_t n = random.Below(100'000); n > 0; --n) (void)::getppid();
    }
    const auto store = Open();
    ASSERT_NE(store, nullptr);
    const auto model = Model::Open(*store);
    ASSERT_TRUE(model.ok()) << model.status();
    ASSERT_GE((*model)->applied_index(), flushed);
    while (twin->applied_index() < (*model)->applied_index()) test::ApplyNext(*twin);
    ASSERT_TRUE(twin->Commit().ok());
    ASSERT_EQ(Described(*(*model)->View()), Described(*twin->View()));
  }
}

std::uint64_t BytesIn(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code gone;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory, gone)) {
    const std::uint64_t size = entry.file_size(gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

/// Nothing is written after the compaction but what a server does for a view that is outdated.
TEST_F(RocksStoreTest, ACompactionGivesItsSpaceBack) {
  const auto store = Open();
  ASSERT_NE(store, nullptr);
  const auto model = *Model::Open(*store);
  const std::string value(1000, 'v');
  for (int round = 0; round < 7; ++round) {
    for (int i = 0; i < 1000; ++i) Put(*model, fmt::format("key{}", i), value);
    ASSERT_TRUE(store->Flush().ok());
  }
  auto view = model->View();
  const std::uint64_t before = BytesIn(directory_);
  ASSERT_GT(before, 4'000'000u);
  Outcome outcome;
  ASSERT_TRUE(model
                  ->Apply(model->applied_index() + 1, 1,
                          {.body = CompactRequest{model->meta().revision}}, &outcome)
                  .ok());
  ASSERT_TRUE(model->Commit().ok());
  view = model->View();
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (BytesIn(directory_) > before / 3 && std::chrono::steady_clock::now() < until) {
    if (!view->store().Outdated()) continue;
    ASSERT_TRUE(model->Commit().ok());
    view = model->View();
  }
  EXPECT_LE(BytesIn(directory_), before / 3);
  Error error = Error::kNone;
  RangeResult all;
  ASSERT_TRUE(view->Range({.key = kFromKey, .end = kFromKey}, &error, &all).ok());
  EXPECT_EQ(all.count, 1000);
}

/// The files that are sent are the state that was committed when they were asked for.
TEST_F(RocksStoreTest, ACaptureIsTheStateOfItsMoment) {
  const auto store = Open({.overlay_bytes = 300 << 10});
  ASSERT_NE(store, nullptr);
  const auto model = *Model::Open(*store);
  for (int i = 0; i < 3000; ++i) Put(*model, fmt::format("key{}", i), std::string(100, 'v'));
  const auto then = model->View();
  const auto capture = store->Capture();
  for (int i = 0; i < 3000; ++i) Put(*model, fmt::format("key{}", i), std::string(100, 'w'));

  const std::string copy = directory_ + "-copy";
  std::filesystem::remove_all(copy);
  std::filesystem::create_directory(copy);
  FilesReader reader(copy);
  ASSERT_EQ(capture([&](std::string_view bytes) { return reader.Feed(bytes); }), absl::OkStatus());
  ASSERT_EQ(reader.Finish(), absl::OkStatus());
  {
    const auto other = RocksStore::Open(copy);
    ASSERT_TRUE(other.ok()) << other.status();
    EXPECT_EQ(Described(*(*Model::Open(**other))->View()), Described(*then));
  }
  std::filesystem::remove_all(copy);
}

/// As many entries say that there is none as a large range that was deleted leaves.
TEST_F(RocksStoreTest, AMillionTombstonesArePassed) {
  constexpr int kTombstones = 1'000'000;
  const auto store = Open({.overlay_bytes = 1ull << 30});
  ASSERT_NE(store, nullptr);
  for (int i = 0; i < kTombstones; ++i) store->Erase(fmt::format("n{:07}", i));
  store->Put("z", "end");
  const auto iterator = store->NewIterator();
  iterator->Seek("n");
  ASSERT_TRUE(iterator->Valid()) << iterator->status();
  EXPECT_EQ(iterator->key(), "z");
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
