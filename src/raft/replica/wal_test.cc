#include "raft/replica/wal.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/log/memory_log.h"

namespace trireme::raft {
namespace {

/// A device whose syncs last until the test lets them end.
class HeldStore final : public LogStore {
 public:
  explicit HeldStore(bool beside) : beside_(beside) {}

  absl::StatusOr<BatchNumber> Write(std::span<const GroupWrite> groups) override {
    const std::lock_guard lock(mutex_);
    written_beside_ |= in_sync_;
    ++writes_;
    changed_.notify_all();
    return inner_.Write(groups);
  }
  absl::StatusOr<BatchNumber> Sync() override {
    std::unique_lock lock(mutex_);
    in_sync_ = true;
    ++syncs_begun_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return syncs_allowed_ >= syncs_begun_; });
    in_sync_ = false;
    if (fails_) return absl::InternalError("the device is gone");
    return inner_.Sync();
  }
  void LetOneSyncEnd(bool fails = false) {
    const std::lock_guard lock(mutex_);
    fails_ = fails;
    ++syncs_allowed_;
    changed_.notify_all();
  }
  void AwaitWrites(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return writes_ >= count; });
  }
  void AwaitSyncs(int begun) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return syncs_begun_ >= begun; });
  }
  int syncs_begun() {
    const std::lock_guard lock(mutex_);
    return syncs_begun_;
  }
  bool written_beside() {
    const std::lock_guard lock(mutex_);
    return written_beside_;
  }

  bool waits() const override { return true; }
  bool syncs_beside_writes() const override { return beside_; }
  std::uint64_t batch_bytes_max() const override { return inner_.batch_bytes_max(); }
  absl::StatusOr<std::vector<Entry>> Read(GroupId group, Index first, Index last,
                                          std::uint64_t bytes_max) const override {
    return inner_.Read(group, first, last, bytes_max);
  }
  absl::StatusOr<std::unique_ptr<SnapshotWriter>> CreateSnapshot(GroupId group,
                                                                 LogPosition last) override {
    return inner_.CreateSnapshot(group, last);
  }
  absl::StatusOr<SharedBytes> ReadSnapshot(GroupId group, Index snapshot, std::uint64_t offset,
                                           std::uint64_t bytes_max) const override {
    return inner_.ReadSnapshot(group, snapshot, offset, bytes_max);
  }
  absl::Status Housekeep() override { return absl::OkStatus(); }
  bool fatal() const override { return false; }

 private:
  const bool beside_;
  MemoryLog inner_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int writes_ = 0;
  int syncs_begun_ = 0;
  int syncs_allowed_ = 0;
  bool in_sync_ = false;
  bool written_beside_ = false;
  bool fails_ = false;
};

/// What the log's threads tell.
class Told {
 public:
  Wal::Callbacks callbacks() {
    return {[this](TurnOutbox& outbox) {
              const std::lock_guard lock(mutex_);
              outbox.Flush([this](NodeId, const std::vector<SharedBytes>&) { ++frames_; });
            },
            [this](const std::vector<WalProgress>& progress) {
              const std::lock_guard lock(mutex_);
              for (const WalProgress& one : progress) tokens_.push_back(one.token.value);
              changed_.notify_all();
            },
            [] {}, [](GroupId, const absl::Status&) {},
            [this](const absl::Status& why) {
              const std::lock_guard lock(mutex_);
              fatal_ = why;
              changed_.notify_all();
            }};
  }
  void AwaitTokens(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return tokens_.size() >= count; });
  }
  void AwaitFatal() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !fatal_.ok(); });
  }
  std::vector<std::uint64_t> tokens() {
    const std::lock_guard lock(mutex_);
    return tokens_;
  }
  int frames() {
    const std::lock_guard lock(mutex_);
    return frames_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::uint64_t> tokens_;
  int frames_ = 0;
  absl::Status fatal_;
};

/// One entry, and what a follower answers when it is durable.
std::vector<WalItem> Item(std::uint64_t number, std::size_t bytes) {
  std::vector<WalItem> items(1);
  items[0].group = GroupId{1};
  items[0].persist.token = Token{number};
  items[0].persist.entries = {
      {Index{number}, Term{1}, EntryKind::kCommand, SharedBytes::Copy(std::string(bytes, 'x'))}};
  items[0].messages.push_back(
      {NodeId{2}, Token{number}, AppendAccepted{Term{1}, Index{number}, 1}});
  return items;
}

constexpr std::size_t kMuch = 1u << 20;
using Tokens = std::vector<std::uint64_t>;

class WalTest : public testing::Test {
 protected:
  explicit WalTest(bool beside = true) : store(beside) {}

  /// Its sync has begun, and goes on.
  void PushFirst() {
    wal.Push(Item(1, kMuch));
    store.AwaitSyncs(1);
  }
  /// The same, and a second is written.
  void PushTwo(std::size_t second_bytes) {
    PushFirst();
    wal.Push(Item(2, second_bytes));
    store.AwaitWrites(2);
  }

  HeldStore store;
  Told told;
  Wal wal{&store, 1u << 20, told.callbacks()};
};

class WalInTurnsTest : public WalTest {
 protected:
  WalInTurnsTest() : WalTest(/*beside=*/false) {}
};

TEST_F(WalTest, WritesBesideASyncAndTellsOnlyWhatThatCovered) {
  PushTwo(kMuch);
  EXPECT_TRUE(store.written_beside());
  EXPECT_EQ(told.tokens(), Tokens{});
  EXPECT_EQ(told.frames(), 0);
  store.LetOneSyncEnd();
  told.AwaitTokens(1);
  store.AwaitSyncs(2);  // one for each, since the first may have missed the second
  EXPECT_EQ(told.tokens(), Tokens{1});
  EXPECT_EQ(told.frames(), 1);
  store.LetOneSyncEnd();
  told.AwaitTokens(2);
  EXPECT_EQ(told.tokens(), (Tokens{1, 2}));
  EXPECT_EQ(told.frames(), 2);
}

TEST_F(WalTest, LittleWaitsForWhatIsBeingSyncedBeforeIt) {
  PushTwo(10);
  EXPECT_EQ(told.tokens(), Tokens{});
  store.LetOneSyncEnd();
  store.AwaitSyncs(2);
  EXPECT_EQ(told.tokens(), Tokens{1});
  store.LetOneSyncEnd();
  told.AwaitTokens(2);
  EXPECT_EQ(told.tokens(), (Tokens{1, 2}));
}

TEST_F(WalTest, WhatAGroupsEndWaitsForComesAfterTheEntriesBeforeIt) {
  PushFirst();
  std::vector<WalItem> end(1);
  end[0].group = GroupId{1};
  end[0].forget = true;
  Tokens told_before;
  std::mutex mutex;
  end[0].done = [&](const absl::Status& status) {
    EXPECT_EQ(status, absl::OkStatus());
    const std::lock_guard lock(mutex);
    told_before = told.tokens();
  };
  wal.Push(std::move(end));
  store.AwaitWrites(2);
  store.LetOneSyncEnd();
  store.LetOneSyncEnd();
  wal.Stop();
  const std::lock_guard lock(mutex);
  EXPECT_EQ(told_before, Tokens{1});
}

TEST_F(WalTest, AfterAFailedSyncNothingIsToldAndNothingSynced) {
  PushTwo(kMuch);
  store.LetOneSyncEnd(/*fails=*/true);
  told.AwaitFatal();
  wal.Push(Item(3, kMuch));
  wal.Stop();
  EXPECT_EQ(told.tokens(), Tokens{});
  EXPECT_EQ(told.frames(), 0);
  EXPECT_EQ(store.syncs_begun(), 1);
}

TEST_F(WalTest, AFailedSyncIsToldAlsoWhenNothingMoreIsWritten) {
  PushFirst();
  store.LetOneSyncEnd(/*fails=*/true);
  told.AwaitFatal();
  EXPECT_EQ(told.tokens(), Tokens{});
}

TEST_F(WalInTurnsTest, AStoreThatDoesNotAllowItIsNotWrittenBesideASync) {
  for (int i = 0; i < 3; ++i) store.LetOneSyncEnd();
  for (std::uint64_t i = 1; i <= 3; ++i) wal.Push(Item(i, kMuch));
  wal.Stop();
  EXPECT_EQ(told.tokens(), (Tokens{1, 2, 3}));
  EXPECT_FALSE(store.written_beside());
}

}  // namespace
}  // namespace trireme::raft
