#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>

#include <trireme/kv.h>
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kv/etcd_process.h"
#include "kv/fake_etcd.h"

/// What the client does with a store that has no faults: the fake, Debian's etcd, and our server as
/// one node and as three.
namespace trireme::kv {
namespace {

enum class Kind { kFake, kEtcd, kTrireme, kThree };

class StoresTest : public testing::TestWithParam<Kind> {
 protected:
  StoresTest() {
    if (GetParam() == Kind::kFake) {
      fake_ = std::make_unique<test::FakeEtcd>(std::make_shared<test::FakeStore>());
    } else {
      etcd_ = std::make_unique<test::EtcdCluster>(
          GetParam() == Kind::kThree ? 3 : 1,
          GetParam() == Kind::kEtcd ? test::Program::kEtcd : test::Program::kTrireme);
    }
    client_ = NewClient();
  }

  std::unique_ptr<Client> NewClient() const {
    ClientOptions options;
    options.endpoints = fake_ ? std::vector<std::string>{fake_->endpoint()} : etcd_->endpoints();
    return Client::Create(std::move(options)).value();
  }
  PutResult Put(std::string_view key, std::string_view value, Version version = kAnyVersion) {
    return client_->Put(key, value, version).value();
  }
  bool is_etcd() const { return etcd_ != nullptr; }

  std::unique_ptr<test::FakeEtcd> fake_;
  std::unique_ptr<test::EtcdCluster> etcd_;
  std::unique_ptr<Client> client_;
};

std::string NameOf(const testing::TestParamInfo<Kind>& kind) {
  constexpr const char* kNames[] = {"Fake", "Etcd", "Trireme", "Three"};
  return kNames[static_cast<int>(kind.param)];
}
INSTANTIATE_TEST_SUITE_P(Stores, StoresTest,
                         testing::Values(Kind::kFake, Kind::kEtcd, Kind::kTrireme, Kind::kThree),
                         NameOf);

TEST_P(StoresTest, PutWritesOnlyAtTheVersionAskedFor) {
  EXPECT_EQ(Put("k", "a", Version{3}).code, PutCode::kNoKey);
  EXPECT_TRUE(absl::IsNotFound(client_->Get("k").status()));

  const PutResult created = Put("k", "a", kAbsent);
  EXPECT_EQ(created.code, PutCode::kOk);
  EXPECT_EQ(created.version, Version{1});

  const PutResult taken = Put("k", "b", kAbsent);
  EXPECT_EQ(taken.code, PutCode::kVersionMismatch);
  EXPECT_EQ(taken.version, Version{1});

  EXPECT_EQ(Put("k", "b", Version{1}).version, Version{2});
  EXPECT_EQ(Put("k", "c", Version{1}).code, PutCode::kVersionMismatch);
  const auto got = client_->Get("k");
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->value, "b");
  EXPECT_EQ(got->version, Version{2});
  EXPECT_EQ(got->created, created.revision);
}

TEST_P(StoresTest, CertainPutHasTheSameResultsAndLeavesNoTrace) {
  const auto put = [&](Version version) {
    return client_->Put("k", "v", version, {.certain = true}).value();
  };
  EXPECT_EQ(put(Version{3}).code, PutCode::kNoKey);
  EXPECT_EQ(put(kAbsent).version, Version{1});
  const PutResult taken = put(kAbsent);
  EXPECT_EQ(taken.code, PutCode::kVersionMismatch);
  EXPECT_EQ(taken.version, Version{1});
  EXPECT_EQ(put(kAnyVersion).code, PutCode::kOk);

  // One at a time: one record of operations, which goes with the client.
  auto other = NewClient();
  const RangeQuery records{.range = KeyRange::Prefix(kOperationPrefix), .count_only = true};
  EXPECT_EQ(other->Range(records)->count, 1);
  client_.reset();
  EXPECT_EQ(other->Range(records)->count, 0);
  EXPECT_EQ(other->Get("k")->version, Version{2});
}

TEST_P(StoresTest, RangesLimitSortAndCount) {
  for (const char* key : {"r/a", "r/b", "r/c"}) Put(key, key);
  Put("r/a", "again");
  Put("s", "outside");
  const auto all = client_->Range({.range = KeyRange::Prefix("r/")});
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->keys.size(), 3u);
  EXPECT_EQ(all->count, 3);

  const auto newest = client_->Range({.range = KeyRange::Prefix("r/"),
                                      .limit = 1,
                                      .order = Order::kDescending,
                                      .sort_by = SortBy::kModified});
  ASSERT_EQ(newest->keys.size(), 1u);
  EXPECT_EQ(newest->keys[0].key, "r/a");
  EXPECT_TRUE(newest->more);

  const auto count = client_->Range({.range = KeyRange::All(), .count_only = true});
  EXPECT_EQ(count->count, 4);
  EXPECT_TRUE(count->keys.empty());
  const auto names = client_->Range({.range = KeyRange::From("r/b"), .keys_only = true});
  ASSERT_EQ(names->keys.size(), 3u);
  EXPECT_EQ(names->keys[0].value, "");
}

TEST_P(StoresTest, TransactionsTakeOneBranchWhole) {
  Put("a", "1");
  Txn txn;
  txn.If(ValueOf("a") == "1", VersionOf("b") == kAbsent)
      .Then(kv::Put("b", "2"), Get("a"), Delete("a"))
      .Else(Get("b"));
  const auto first = client_->Commit(txn);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(first->succeeded);
  ASSERT_EQ(first->results.size(), 3u);
  EXPECT_EQ(first->results[1].range()->keys[0].value, "1");
  EXPECT_EQ(first->results[2].deleted()->deleted, 1);

  const auto second = client_->Commit(txn);
  EXPECT_FALSE(second->succeeded);
  EXPECT_EQ(second->results[0].range()->keys[0].value, "2");
}

TEST_P(StoresTest, CertainTransactionsNestAndCompareEveryField) {
  const PutResult put = Put("a", "1");
  Txn inner;
  inner
      .If(ModifiedOf("a") > Revision{put.revision.value - 1}, CreatedOf("a") == put.revision,
          LeaseOf("a") == LeaseId{}, ValueOf("a") != "2", VersionOf("a") < Version{2})
      .Then(kv::Put("b", "x"));
  Txn outer;
  outer.Then(Nested(inner), Get("a"));
  const auto result = client_->Commit(outer, {.certain = true});
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->results.size(), 2u);
  EXPECT_TRUE(result->results[0].txn()->succeeded);
  EXPECT_EQ(result->results[1].range()->keys[0].value, "1");
  EXPECT_EQ(client_->Get("b")->modified, result->revision);
}

TEST_P(StoresTest, DeletesCountAndCompactionForgets) {
  const PutResult old = Put("d/a", "1");
  Put("d/b", "1");
  const auto deleted = client_->Delete(KeyRange::Prefix("d/"));
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_EQ(deleted->deleted, 2);
  EXPECT_EQ(client_->Delete("d/a")->deleted, 0);

  EXPECT_TRUE(client_->Compact(deleted->revision).ok());
  EXPECT_TRUE(client_->Compact(deleted->revision).ok()) << "done before";
  EXPECT_TRUE(absl::IsOutOfRange(client_->Get("d/a", {.revision = old.revision}).status()));
}

TEST_P(StoresTest, TheServersRefusalsAreFinal) {
  const auto put = client_->Put("", "no key", kAnyVersion);
  EXPECT_TRUE(absl::IsInvalidArgument(put.status())) << put.status();
  const auto leased = client_->Put("k", "v", kAnyVersion, {.lease = LeaseId{12345}});
  EXPECT_TRUE(absl::IsNotFound(leased.status())) << leased.status();
  EXPECT_FALSE(MayHaveTakenEffect(leased.status()));
}

TEST_P(StoresTest, LeasesEndWithTheirObject) {
  {
    auto lease = client_->Grant();
    ASSERT_TRUE(lease.ok()) << lease.status();
    EXPECT_EQ(lease->ttl(), kLeaseTtl);
    EXPECT_TRUE(lease->alive());
    ASSERT_TRUE(client_->Put("k", "v", kAbsent, {.lease = lease->id()}).ok());
    EXPECT_EQ(client_->Get("k")->lease, lease->id());
    ASSERT_TRUE(lease->Revoke().ok());
    EXPECT_TRUE(lease->Revoke().ok()) << "a second time";
    EXPECT_FALSE(lease->alive());
    EXPECT_TRUE(absl::IsNotFound(client_->Get("k").status()));
  }
  LeaseId id;
  {
    auto watcher = client_->Watch(KeyRange::Single("k"), {.puts = false});
    ASSERT_TRUE(watcher.ok()) << watcher.status();
    {
      auto lease = client_->Grant();
      id = lease->id();
      ASSERT_TRUE(client_->Put("k", "v", kAbsent, {.lease = id}).ok());
    }
    const auto batch = watcher->Next(absl::Seconds(20));
    ASSERT_TRUE(batch.ok()) << batch.status();
    EXPECT_EQ(batch->events[0].kind, Event::Kind::kDelete);
  }
}

TEST_P(StoresTest, LockExcludesAndItsTokenGrows) {
  auto lock = client_->Acquire("l");
  ASSERT_TRUE(lock.ok()) << lock.status();
  const FencingToken first = lock->token();
  EXPECT_TRUE(lock->held());
  auto other = NewClient();
  const auto busy = other->TryAcquire("l");
  ASSERT_TRUE(busy.ok()) << busy.status();
  EXPECT_FALSE(busy->has_value());
  const auto late = other->Acquire("l", {.timeout = absl::Milliseconds(200)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(late.status())) << late.status();

  Txn write;
  write.Then(kv::Put("guarded", "1"));
  EXPECT_TRUE(client_->Commit(lock->Fenced(write)).ok());
  const Txn fenced = lock->Fenced(write);
  ASSERT_TRUE(lock->Release().ok());
  EXPECT_FALSE(lock->held());
  const auto refused = client_->Commit(fenced);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  const auto certain = client_->Commit(fenced, {.certain = true});
  EXPECT_TRUE(absl::IsFailedPrecondition(certain.status())) << certain.status();
  EXPECT_EQ(client_->Get("guarded")->version, Version{1});

  auto next = other->TryAcquire("l");
  ASSERT_TRUE(next.ok() && next->has_value()) << next.status();
  EXPECT_GT((*next)->token(), first);
}

TEST_P(StoresTest, WaitersGetTheLockInTurn) {
  auto lock = client_->Acquire("l");
  ASSERT_TRUE(lock.ok()) << lock.status();
  auto other = NewClient();
  std::atomic<bool> has{false};
  std::thread waiter([&] {
    const auto mine = other->Acquire("l");
    EXPECT_TRUE(mine.ok()) << mine.status();
    has = true;
  });
  // Its key is there: it waits.
  auto watcher =
      client_->Watch(KeyRange::Prefix("l/"), {.from = Revision{lock->token().value + 1}});
  EXPECT_EQ(watcher->Next(absl::Seconds(20))->events[0].kind, Event::Kind::kPut);
  EXPECT_FALSE(has);
  EXPECT_TRUE(lock->Release().ok());
  waiter.join();
  EXPECT_TRUE(has);
}

TEST_P(StoresTest, ElectionsAreCampaignedProclaimedObservedResigned) {
  EXPECT_TRUE(absl::IsNotFound(client_->Leader("e").status()));
  auto observer = client_->Observe("e");
  ASSERT_TRUE(observer.ok()) << observer.status();
  auto first = client_->Campaign("e", "me");
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(observer->Next(absl::Seconds(20))->value, "me");
  EXPECT_EQ(client_->Leader("e")->value, "me");

  ASSERT_TRUE(first->Proclaim("still me").ok());
  EXPECT_EQ(observer->Next(absl::Seconds(20))->value, "still me");
  EXPECT_TRUE(absl::IsDeadlineExceeded(observer->Next(absl::Milliseconds(50)).status()));

  auto other = NewClient();
  std::thread rival([&] {
    auto second = other->Campaign("e", "you");
    EXPECT_TRUE(second.ok()) << second.status();
    EXPECT_GT(second->token(), first->token());
    EXPECT_EQ(observer->Next(absl::Seconds(20))->value, "you");
  });
  EXPECT_TRUE(first->Resign().ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(first->Proclaim("too late")));
  rival.join();
}

TEST_P(StoresTest, WatchGivesEachEventOnceInOrder) {
  const PutResult before = Put("w/before", "0");
  auto watcher = client_->Watch(KeyRange::Prefix("w/"), {.previous = true});
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  Put("w/a", "1");
  Put("outside", "1");
  Put("w/a", "2");
  Txn both;
  both.Then(kv::Put("w/b", "3"), Delete("w/a"));
  ASSERT_TRUE(client_->Commit(both).ok());

  std::vector<Event> events;
  Revision last;
  while (events.size() < 4) {
    auto batch = watcher->Next(absl::Seconds(20));
    ASSERT_TRUE(batch.ok()) << batch.status();
    EXPECT_GT(batch->revision, last);
    last = batch->revision;
    for (Event& event : batch->events) events.push_back(std::move(event));
  }
  EXPECT_GT(events[0].key_value.modified, before.revision);
  EXPECT_EQ(events[0].key_value.value, "1");
  EXPECT_FALSE(events[0].previous.has_value());
  EXPECT_EQ(events[1].previous->value, "1");
  EXPECT_EQ(events[2].key_value.key, "w/b");
  EXPECT_EQ(events[3].kind, Event::Kind::kDelete);
  EXPECT_EQ(events[2].key_value.modified, events[3].key_value.modified);
  EXPECT_TRUE(absl::IsDeadlineExceeded(watcher->Next(absl::Milliseconds(20)).status()));

  auto past = client_->Watch(KeyRange::Prefix("w/"), {.from = before.revision});
  EXPECT_EQ(past->Next(absl::Seconds(20))->events[0].key_value.key, "w/before");
}

TEST_P(StoresTest, WatchHandlersRunOnANamedThreadUntilTheEnd) {
  std::mutex mutex;
  std::vector<std::string> values, threads;
  std::optional<absl::Status> end;
  std::atomic<int> seen{0};
  {
    auto watcher = client_->Watch(KeyRange::Single("k"), {}, [&](absl::StatusOr<WatchBatch> batch) {
      char name[16] = "";
      pthread_getname_np(pthread_self(), name, sizeof name);
      const std::lock_guard lock(mutex);
      threads.push_back(name);
      if (!batch.ok()) {
        end = batch.status();
        return;
      }
      for (const Event& event : batch->events) values.push_back(event.key_value.value);
      seen = static_cast<int>(values.size());
    });
    ASSERT_TRUE(watcher.ok()) << watcher.status();
    for (const char* value : {"1", "2", "3"}) Put("k", value);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (seen < 3 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  }
  EXPECT_THAT(values, testing::ElementsAre("1", "2", "3"));
  EXPECT_THAT(threads, testing::Each("kv-watch"));
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(absl::IsCancelled(*end));
}

TEST_P(StoresTest, AWatchOfCompactedHistorySaysSo) {
  const Revision old = Put("k", "1").revision;
  Put("k", "2");
  const Revision now = Put("k", "3").revision;
  ASSERT_TRUE(client_->Compact(now).ok());
  auto watcher = client_->Watch(KeyRange::Single("k"), {.from = old});
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  const absl::Status end = watcher->Next(absl::Seconds(20)).status();
  EXPECT_TRUE(absl::IsOutOfRange(end)) << end;
  EXPECT_EQ(CompactedAt(end), now);
}

TEST_P(StoresTest, CallbacksComeOnTheIoThread) {
  std::promise<absl::StatusOr<PutResult>> put;
  client_->PutAsync("k", "v", kAbsent, {}, [&](auto result) { put.set_value(std::move(result)); });
  EXPECT_EQ(put.get_future().get()->code, PutCode::kOk);
  auto got = std::make_shared<std::promise<std::string>>();
  client_->GetAsync("k", {}, [got](auto result) { got->set_value(result->value); });
  EXPECT_EQ(got->get_future().get(), "v");
}

}  // namespace
}  // namespace trireme::kv
