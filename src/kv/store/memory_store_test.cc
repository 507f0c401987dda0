#include "kv/store/memory_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "fmt/format.h"
#include "kv/model/test_against_twin.h"

namespace trireme::kv::inline engine {
namespace {

TEST(MemoryStore, TheModelOverItIsTheTwin) {
  for (std::uint64_t seed = 1000; seed < 1100 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    MemoryStore store;
    AgainstTwin(store, seed).Run(150);
  }
}

TEST(MemoryStore, ASnapshotOutlivesTheStore) {
  std::shared_ptr<const StoreReader> snapshot;
  {
    MemoryStore store;
    store.Put("a", "1");
    ASSERT_TRUE(store.Commit().ok());
    snapshot = store.Snapshot();
    EXPECT_EQ(snapshot, store.Snapshot());
    store.Put("a", "2");
    EXPECT_NE(snapshot, store.Snapshot());
  }
  const auto iterator = snapshot->NewIterator();
  iterator->Seek("a");
  ASSERT_TRUE(iterator->Valid());
  EXPECT_EQ(iterator->value(), "1");
}

/// Every key has the same value in every state that was committed.
void ReadWholeStates(const StoreReader& snapshot, std::atomic<int>* torn) {
  const auto iterator = snapshot.NewIterator();
  std::string first;
  for (iterator->Seek(""); iterator->Valid(); iterator->Next()) {
    if (first.empty()) first = iterator->value();
    *torn += iterator->value() == first ? 0 : 1;
  }
}

TEST(MemoryStore, ReadersOnOtherThreadsSeeWholeStates) {
  constexpr int kKeys = 500, kStates = 200;
  MemoryStore store;
  std::mutex mutex;
  std::shared_ptr<const StoreReader> newest;
  bool done = false;
  std::atomic<int> torn = 0;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      for (bool last = false; !last;) {
        std::shared_ptr<const StoreReader> snapshot;
        {
          const std::scoped_lock lock(mutex);
          snapshot = newest;
          last = done;
        }
        if (snapshot != nullptr) ReadWholeStates(*snapshot, &torn);
      }
    });
  }
  for (int state = 0; state < kStates; ++state) {
    for (int key = 0; key < kKeys; ++key)
      store.Put(fmt::format("{}", key), fmt::format("{}", state));
    ASSERT_TRUE(store.Commit().ok());
    const std::scoped_lock lock(mutex);
    newest = store.Snapshot();
    done = state + 1 == kStates;
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace trireme::kv::inline engine
