#include "kv/server/kv_machine.h"

#include <string>
#include <vector>

#include "etcd/rpc.pb.h"
#include "gtest/gtest.h"
#include "kv/store/memory_store.h"

namespace trireme::kv::inline engine {
namespace {

class Stores final : public StoreProvider {
 public:
  bool durable() const override { return false; }
  absl::StatusOr<std::shared_ptr<OrderedStore>> Open() override {
    if (current == nullptr) current = std::make_shared<MemoryStore>();
    return current;
  }
  absl::StatusOr<std::shared_ptr<OrderedStore>> OpenEmpty() override {
    return filling = std::make_shared<MemoryStore>();
  }
  absl::StatusOr<std::shared_ptr<OrderedStore>> Receive(raft::SnapshotSource&) override {
    return absl::UnimplementedError("no stores in files");
  }
  absl::Status Adopt() override {
    current = filling;
    return absl::OkStatus();
  }
  std::shared_ptr<OrderedStore> current, filling;
};

class Observer final : public MachineObserver {
 public:
  bool wants_events() const override { return wants; }
  void OnCommitted(std::shared_ptr<const CommittedBatch> batch) override {
    batches.push_back(std::move(batch));
  }
  void OnAnswered() override {}
  void OnFailure(const absl::Status& status) override { failure = status; }

  bool wants = true;
  std::vector<std::shared_ptr<const CommittedBatch>> batches;
  absl::Status failure;
};

class Sink final : public raft::SnapshotSink {
 public:
  absl::Status Append(std::string_view more) override {
    bytes.append(more);
    return absl::OkStatus();
  }
  std::string bytes;
};

class Source final : public raft::SnapshotSource {
 public:
  Source(std::string bytes, std::uint64_t index) : bytes_(std::move(bytes)), index_(index) {}
  absl::StatusOr<SharedBytes> Read(std::uint64_t bytes_max) override {
    const std::string part = bytes_.substr(at_, std::min<std::uint64_t>(bytes_max, 17));
    at_ += part.size();
    return SharedBytes::Copy(part);
  }
  raft::LogPosition last() const override { return {raft::Index{index_}, raft::Term{2}}; }
  std::uint64_t size_bytes() const override { return bytes_.size(); }

 private:
  std::string bytes_;
  std::uint64_t index_;
  std::size_t at_ = 0;
};

class KvMachineTest : public testing::Test {
 protected:
  KvMachineTest() { Reopen(); }
  void Reopen() {
    machine_ = *KvMachine::Open({.origin = 9, .cluster_id = 1, .member_id = 2}, &stores_, &seen_);
  }

  static raft::Entry Entry(std::uint64_t index, const Command& command, Origin origin = 9) {
    return {raft::Index{index}, raft::Term{2}, raft::EntryKind::kCommand,
            SharedBytes::Own(EncodeEntry(command, {.time_ms = 5, .origin = origin}))};
  }
  static raft::Entry Put(std::uint64_t index, std::string_view key, Origin origin = 9) {
    return Entry(index, {.body = PutRequest{.key = key, .value = "v"}}, origin);
  }
  std::vector<std::string> Apply(const std::vector<raft::Entry>& entries) {
    std::vector<std::string> results(entries.size());
    machine_->Apply(entries, results);
    return results;
  }
  std::int64_t revision() const { return machine_->view()->meta().revision; }

  Stores stores_;
  Observer seen_;
  std::unique_ptr<KvMachine> machine_;
};

TEST_F(KvMachineTest, OnlyOwnEntriesAreAnsweredAndABatchIsOneCommit) {
  const auto results = Apply({Put(2, "a"), Put(3, "b", 8), Put(5, "c")});
  const auto answer = ParseEntryResult(results[0]);
  ASSERT_TRUE(answer);
  etcdserverpb::PutResponse response;
  ASSERT_TRUE(response.ParseFromString(std::string(answer->response)));
  EXPECT_EQ(response.header().revision(), 2);
  EXPECT_EQ(response.header().raft_term(), 2u);
  EXPECT_FALSE(ParseEntryResult(results[1]));
  EXPECT_TRUE(ParseEntryResult(results[2]));
  ASSERT_EQ(seen_.batches.size(), 1u);
  EXPECT_EQ(seen_.batches[0]->outcomes.size(), 3u);
  EXPECT_EQ(seen_.batches[0]->view->meta().revision, 4);
  EXPECT_EQ(seen_.batches[0]->view->meta().time_ms, 5) << "the tail's time counts";
  EXPECT_EQ(machine_->model().applied_index(), 5u);
}

TEST_F(KvMachineTest, ErrorsAreResults) {
  const auto results = Apply({Entry(1, {.body = PutRequest{.key = "a", .lease = 77}}),
                              Entry(2, {.body = CompactRequest{50}})});
  EXPECT_EQ(ParseEntryResult(results[0])->error, Error::kLeaseNotFound);
  EXPECT_EQ(ParseEntryResult(results[1])->error, Error::kFutureRevision);
}

TEST_F(KvMachineTest, WhatTheStoreHasIsNotAppliedAgain) {
  Apply({Put(1, "a"), Put(2, "b")});
  Reopen();
  const auto results = Apply({Put(1, "a"), Put(2, "b"), Put(3, "c")});
  EXPECT_EQ(revision(), 4);
  EXPECT_TRUE(results[1].empty());
  EXPECT_FALSE(results[2].empty());
}

TEST_F(KvMachineTest, ASnapshotCarriesTheStateAndAnOlderOneIsPassedOver) {
  Apply({Put(1, "a"), Put(2, "b")});
  Sink sink;
  ASSERT_TRUE(machine_->Capture()(sink).ok());

  Stores other_stores;
  Observer other_seen;
  auto other = *KvMachine::Open({.origin = 4}, &other_stores, &other_seen);
  Source source(sink.bytes, 4);
  ASSERT_TRUE(other->Restore(source).ok());
  EXPECT_EQ(other->view()->meta().revision, 3);
  EXPECT_EQ(other->model().applied_index(), 4u);
  EXPECT_EQ(other_stores.current, other_stores.filling);
  ASSERT_EQ(other_seen.batches.size(), 1u);
  EXPECT_FALSE(other_seen.batches[0]->has_events);
  EXPECT_EQ(other->view()->Hash(0)->hash, machine_->view()->Hash(0)->hash);

  Source older("not even read", 2);
  EXPECT_TRUE(other->Restore(older).ok());
  Source damaged("damaged", 9);
  EXPECT_FALSE(other->Restore(damaged).ok());
}

TEST_F(KvMachineTest, AnEntryThatIsNoCommandFailsTheMachine) {
  const auto results = Apply(
      {Put(1, "a"),
       {raft::Index{2}, raft::Term{2}, raft::EntryKind::kCommand, SharedBytes::Copy("short")}});
  EXPECT_TRUE(absl::IsDataLoss(seen_.failure));
  EXPECT_TRUE(results[0].empty()) << "it was not made visible";
  EXPECT_TRUE(Apply({Put(3, "b")})[0].empty());
}

TEST_F(KvMachineTest, SweepingGoesOnBetweenBatches) {
  std::vector<raft::Entry> entries;
  for (std::uint64_t i = 1; i <= 20; ++i) entries.push_back(Put(i, "a"));
  entries.push_back(Entry(21, {.body = CompactRequest{15}}));
  Apply(entries);
  EXPECT_LT(machine_->view()->meta().swept, 15);
  while (machine_->view()->meta().swept < 15) ASSERT_TRUE(machine_->Query("").ok());
  EXPECT_TRUE(seen_.batches.back()->has_events) << "watches do not fall behind for it";
}

}  // namespace
}  // namespace trireme::kv::inline engine
