#include "sim/log_storage.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace trireme::sim {
namespace {

using raft::Entry;
using raft::Index;
using raft::Term;

class LogStorageTest : public testing::Test {
 protected:
  LogStorageTest() : storage_({.node = raft::NodeId{1}, .first = {.voters = {raft::NodeId{1}}}}) {
    EXPECT_TRUE(storage_.Open().ok());
  }

  absl::Status Append(std::uint64_t first, std::uint64_t count, std::size_t bytes = 100) {
    raft::Persist batch{.token = raft::Token{1}, .hard_state = raft::HardState{Term{1}, {}}};
    for (std::uint64_t i = first; i < first + count; ++i) {
      batch.entries.push_back({Index{i}, Term{1}, raft::EntryKind::kCommand,
                               SharedBytes::Own(std::string(bytes, 'x'))});
    }
    return storage_.Write(batch);
  }

  LogStorage storage_;
  Random random_{7};
};

TEST_F(LogStorageTest, WhatIsSyncedSurvivesEveryCrashAndWhatIsNotComesBackInPartOrNot) {
  std::uint64_t synced = 0;
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(Append(synced + 1, 3).ok());
    ASSERT_TRUE(storage_.Sync().ok());
    synced += 3;
    ASSERT_TRUE(Append(synced + 1, 1).ok());
    storage_.Crash(random_);
    const auto restored = storage_.Open();
    ASSERT_TRUE(restored.ok()) << restored.status();
    ASSERT_GE(restored->entries.size(), synced);
    ASSERT_LE(restored->entries.size(), synced + 1);
    synced = restored->entries.size();
  }
}

TEST_F(LogStorageTest, ABatchBeyondWhatOneWriteCarriesComesBackWhole) {
  ASSERT_TRUE(Append(1, 900).ok());
  ASSERT_TRUE(storage_.Sync().ok());
  storage_.Crash(random_);
  const auto restored = storage_.Open();
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ(restored->entries.size(), 900u);
}

TEST_F(LogStorageTest, AFullDiskRefusesEntriesUntilThereIsRoom) {
  storage_.SetFull(true);
  std::uint64_t next = 1;
  absl::Status status;
  for (; status.ok() && next < 2'000; next += 10) status = Append(next, 10);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  storage_.SetFull(false);
  EXPECT_TRUE(Append(next - 10, 10).ok());
  EXPECT_TRUE(storage_.Sync().ok());
}

TEST_F(LogStorageTest, AFailedSyncIsTheEndOfThisLife) {
  ASSERT_TRUE(Append(1, 1).ok());
  storage_.FailNextSync();
  EXPECT_FALSE(storage_.Sync().ok());
  EXPECT_FALSE(Append(2, 1).ok());
  storage_.Crash(random_);
  EXPECT_TRUE(storage_.Open().ok());
}

TEST_F(LogStorageTest, ThePowerGoesOffWithinAnyOperation) {
  std::uint64_t acknowledged = 0;
  for (std::uint64_t operations = 0; operations < 40; ++operations) {
    storage_.PowerOffAfter(operations);
    for (absl::Status status; status.ok();) {
      status = Append(acknowledged + 1, 2);
      if (status.ok()) status = storage_.Sync();
      if (status.ok()) acknowledged += 2;
      if (status.ok()) status = storage_.Housekeep();
    }
    storage_.Crash(random_);
    const auto restored = storage_.Open();
    ASSERT_TRUE(restored.ok()) << operations << restored.status();
    ASSERT_GE(restored->entries.size(), acknowledged) << operations;
  }
  EXPECT_GT(acknowledged, 40u);
}

TEST_F(LogStorageTest, EveryDamageIsRefusedAtTheNextStart) {
  for (std::uint64_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(Append(i, 1).ok());
    ASSERT_TRUE(storage_.Sync().ok());
  }
  const std::string where = storage_.Damage(random_);
  ASSERT_NE(where, "");
  EXPECT_TRUE(storage_.damaged());
  storage_.Crash(random_);
  const absl::Status refused = storage_.Open().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
  const std::string message(refused.message());
  EXPECT_NE(message.find(where.substr(0, where.find(' '))), message.npos) << message;
  EXPECT_NE(message.find("damaged at offset"), message.npos) << message;
}

}  // namespace
}  // namespace trireme::sim
