#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <trireme/kv.h>
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "kv/fake_etcd.h"
#include "rpc/tls_material.h"

/// What the client says when requests and answers are lost, late or refused.
namespace trireme::kv {
namespace {

using test::FakeEtcd;
using test::FakeStore;
using test::Fault;

/// False after half a minute, which fails a test.
bool WaitUntil(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

class FaultTest : public testing::Test {
 protected:
  FaultTest() : store_(std::make_shared<FakeStore>()), fake_(store_) { client_ = NewClient(); }

  std::unique_ptr<Client> NewClient(std::vector<std::string> endpoints = {},
                                    ClientOptions options = {}) {
    options.endpoints = std::move(endpoints);
    if (options.endpoints.empty()) options.endpoints = {fake_.endpoint()};
    return Client::Create(std::move(options)).value();
  }
  /// The next transactions meet these faults, one each; later ones none.
  void NextTxns(std::deque<Fault> faults) { Next("/etcdserverpb.KV/Txn", std::move(faults)); }
  void Next(std::string method, std::deque<Fault> faults) {
    fake_.SetFaults([method, faults = std::make_shared<std::deque<Fault>>(std::move(faults))](
                        std::string_view called) {
      if (called != method || faults->empty()) return Fault::kNone;
      const Fault fault = faults->front();
      faults->pop_front();
      return fault;
    });
  }
  PutResult Put(Version version, PutOptions options = {}) {
    return client_->Put("k", "v", version, options).value();
  }
  /// Other ways of the store to have changed than by the client under test.
  void Meddle(const std::string& key, bool remove = false) {
    if (remove) {
      etcdserverpb::DeleteRangeRequest request;
      request.set_key(key);
      ASSERT_TRUE(store_->Delete(request).ok());
      return;
    }
    etcdserverpb::PutRequest request;
    request.set_key(key);
    ASSERT_TRUE(store_->Put(request).ok());
  }

  const std::shared_ptr<FakeStore> store_;
  FakeEtcd fake_;
  std::unique_ptr<Client> client_;
};

// ---- Put and Maybe.

TEST_F(FaultTest, ALostAnswerToAPutThatTookEffectIsMaybe) {
  NextTxns({Fault::kDropReply});
  EXPECT_EQ(Put(kAbsent).code, PutCode::kMaybe);
  EXPECT_EQ(client_->Get("k")->version, Version{1});
}

TEST_F(FaultTest, ALostRequestIsRepeatedAndOk) {
  NextTxns({Fault::kDropRequest, Fault::kDropRequest});
  const PutResult result = Put(kAbsent);
  EXPECT_EQ(result.code, PutCode::kOk);
  EXPECT_EQ(result.version, Version{1});
}

TEST_F(FaultTest, AMismatchAfterALostRequestIsMaybeSinceNobodyCanTell) {
  Meddle("k");
  NextTxns({Fault::kDropRequest});
  EXPECT_EQ(Put(kAbsent).code, PutCode::kMaybe);
  NextTxns({Fault::kDropRequest});
  EXPECT_EQ(client_->Put("other", "v", Version{4}).value().code, PutCode::kMaybe);
}

TEST_F(FaultTest, ARefusalIsNoReasonForMaybe) {
  Meddle("k");
  NextTxns({Fault::kRefuse, Fault::kRefuse});
  EXPECT_EQ(Put(kAbsent).code, PutCode::kVersionMismatch);
  NextTxns({Fault::kRefuse});
  EXPECT_EQ(Put(Version{1}).code, PutCode::kOk);
  Next("/etcdserverpb.KV/Put", {Fault::kRefuse, Fault::kRefuse});
  EXPECT_EQ(Put(kAnyVersion).code, PutCode::kOk);
}

TEST_F(FaultTest, NothingButRefusalsIsAnErrorNotMaybe) {
  Meddle("other");
  ASSERT_TRUE(client_->Get("other").ok());  // It is connected.
  fake_.SetFaults([](auto) { return Fault::kRefuse; });
  for (const Version version : {kAbsent, kAnyVersion}) {
    const auto result = client_->Put("k", "v", version, {.timeout = absl::Milliseconds(500)});
    EXPECT_TRUE(absl::IsDeadlineExceeded(result.status())) << result.status();
    EXPECT_THAT(std::string(result.status().message()), testing::HasSubstr("no leader"));
  }
  EXPECT_EQ(store_->revision(), 2);
}

TEST_F(FaultTest, ADeadServerIsAnErrorNotMaybe) {
  fake_.Stop();
  const auto result = client_->Put("k", "v", kAbsent, {.timeout = absl::Milliseconds(500)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(result.status())) << result.status();
  EXPECT_THAT(std::string(result.status().message()), testing::HasSubstr("cannot be reached"));
}

TEST_F(FaultTest, SilenceUntilTheDeadlineIsMaybe) {
  Meddle("other");
  ASSERT_TRUE(client_->Get("other").ok());  // It is connected.
  fake_.SetFaults([](auto) { return Fault::kSilence; });
  for (const Version version : {kAbsent, kAnyVersion}) {
    EXPECT_EQ(Put(version, {.timeout = absl::Milliseconds(500)}).code, PutCode::kMaybe);
  }
}

TEST_F(FaultTest, ABlindPutIsNotRepeatedOnceItMayHaveTakenEffect) {
  Next("/etcdserverpb.KV/Put", {Fault::kDropReply});
  const int before = fake_.requests();
  EXPECT_EQ(Put(kAnyVersion).code, PutCode::kMaybe);
  EXPECT_EQ(fake_.requests() - before, 1);
}

TEST_F(FaultTest, TransactionsAndDeletesSayThatTheyMayHaveTakenEffect) {
  Txn txn;
  txn.Then(kv::Put("k", "v"));
  NextTxns({Fault::kDropReply});
  const absl::Status committed = client_->Commit(txn).status();
  EXPECT_TRUE(MayHaveTakenEffect(committed)) << committed;
  EXPECT_EQ(client_->Get("k")->version, Version{1}) << "not repeated";
  Next("/etcdserverpb.KV/DeleteRange", {Fault::kDropRequest});
  EXPECT_TRUE(MayHaveTakenEffect(client_->Delete("k").status()));
  EXPECT_TRUE(client_->Get("k").ok()) << "not repeated";

  Txn reading;
  reading.Then(Get("k"));
  NextTxns({Fault::kDropReply});
  EXPECT_TRUE(client_->Commit(reading).ok()) << "repeated: it writes nothing";
}

// ---- Certain.

TEST_F(FaultTest, CertainTurnsEachLostAnswerIntoTheTruth) {
  const PutOptions certain{.certain = true};
  for (const Fault fault : {Fault::kDropReply, Fault::kDropRequest, Fault::kExecuteLater}) {
    Meddle("k", true);
    NextTxns({fault, fault, Fault::kRefuse});
    const PutResult created = Put(kAbsent, certain);
    EXPECT_EQ(created.code, PutCode::kOk);
    EXPECT_EQ(created.version, Version{1});
    NextTxns({fault});
    EXPECT_EQ(Put(kAbsent, certain).code, PutCode::kVersionMismatch);
    NextTxns({fault});
    EXPECT_EQ(client_->Put("none", "v", Version{2}, certain)->code, PutCode::kNoKey);
    NextTxns({fault});
    EXPECT_EQ(Put(kAnyVersion, certain).code, PutCode::kOk);
    EXPECT_EQ(client_->Get("k")->version, Version{2}) << "written once each";
    fake_.ExecuteHeld();
    EXPECT_EQ(client_->Get("k")->version, Version{2}) << "also in the end";
  }
}

TEST_F(FaultTest, ALateTryOfACertainPutHasNoEffectWhateverHappenedMeanwhile) {
  const PutOptions certain{.certain = true};
  NextTxns({Fault::kExecuteLater});
  EXPECT_EQ(Put(kAbsent, certain).code, PutCode::kOk);
  Meddle("k", true);
  fake_.ExecuteHeld();
  EXPECT_TRUE(absl::IsNotFound(client_->Get("k").status())) << "it was created twice";

  NextTxns({Fault::kExecuteLater});
  EXPECT_EQ(Put(Version{1}, certain).code, PutCode::kNoKey);
  Meddle("k");
  fake_.ExecuteHeld();
  EXPECT_EQ(client_->Get("k")->version, Version{1}) << "it was written after all";
}

TEST_F(FaultTest, ACertainPutOutOfTimeIsMaybeAndItsSlotNotUsedAgain) {
  const PutOptions certain{.timeout = absl::Milliseconds(500), .certain = true};
  ASSERT_EQ(client_->Put("first", "v", kAbsent, {.certain = true})->code, PutCode::kOk);
  fake_.SetFaults([](auto) { return Fault::kExecuteLater; });
  EXPECT_EQ(Put(kAbsent, certain).code, PutCode::kMaybe);
  fake_.SetFaults(nullptr);
  EXPECT_EQ(client_->Put("other", "v", kAbsent, {.certain = true})->code, PutCode::kOk);
  fake_.ExecuteHeld();
  EXPECT_EQ(client_->Get("k")->version, Version{1}) << "late, but once";
}

TEST_F(FaultTest, ACertainPutOutlivesTheLossOfItsSession) {
  ASSERT_EQ(Put(kAbsent, {.certain = true}).code, PutCode::kOk);
  ASSERT_TRUE(store_->Revoke(store_->leases().front()).ok());
  EXPECT_EQ(Put(Version{1}, {.certain = true}).code, PutCode::kOk);
  ASSERT_TRUE(store_->Revoke(store_->leases().front()).ok());
  NextTxns({Fault::kDropReply});
  EXPECT_EQ(Put(Version{2}, {.certain = true}).code, PutCode::kMaybe);
  EXPECT_EQ(Put(Version{2}, {.certain = true}).code, PutCode::kOk);
}

TEST_F(FaultTest, ACertainTransactionTellsWhichBranchRan) {
  Txn txn;
  txn.If(VersionOf("k") == kAbsent).Then(kv::Put("k", "v"), Get("k")).Else(kv::Put("e", "v"));
  NextTxns({Fault::kDropReply});
  const auto first = client_->Commit(txn, {.certain = true});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(first->succeeded);
  EXPECT_TRUE(first->results_lost);
  NextTxns({Fault::kDropReply});
  const auto second = client_->Commit(txn, {.certain = true});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_FALSE(second->succeeded);
  EXPECT_EQ(client_->Get("k")->version, Version{1});
  EXPECT_EQ(client_->Get("e")->version, Version{1});
}

TEST_F(FaultTest, ConcurrentCertainPutsHaveSlotsOfTheirOwn) {
  constexpr int kThreads = 8, kPuts = 20;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const std::string key = "k" + std::to_string(t);
      for (int i = 0; i < kPuts; ++i) {
        const auto result = client_->Put(key, "v", Version{i}, {.certain = true});
        EXPECT_TRUE(result.ok() && result->code == PutCode::kOk) << result.status();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto slots =
      client_->Range({.range = KeyRange::Prefix(kOperationPrefix), .count_only = true});
  EXPECT_LE(slots->count, kThreads);
}

// ---- Endpoints.

TEST_F(FaultTest, CallsMoveToAMemberThatAnswers) {
  FakeEtcd second(store_);
  client_ = NewClient({fake_.endpoint(), second.endpoint()});
  ASSERT_EQ(Put(kAbsent).code, PutCode::kOk);
  fake_.Stop();
  EXPECT_EQ(client_->Get("k")->version, Version{1});
  EXPECT_EQ(Put(Version{1}).code, PutCode::kOk);
  fake_.Start();
  second.Stop();
  EXPECT_EQ(Put(Version{2}).code, PutCode::kOk);
}

TEST_F(FaultTest, AMemberThatIsSilentDelaysACallByOneTry) {
  FakeEtcd second(store_);
  Meddle("k");
  fake_.SetFaults([](auto) { return Fault::kSilence; });
  client_ =
      NewClient({fake_.endpoint(), second.endpoint()}, {.try_timeout = absl::Milliseconds(50)});
  EXPECT_EQ(client_->Get("k")->version, Version{1});
  EXPECT_EQ(client_->Get("k")->version, Version{1});
}

TEST_F(FaultTest, TheLeaderHintIsFollowed) {
  FakeEtcd second(store_), third(store_), leader(store_);
  for (FakeEtcd* one : {&fake_, &second, &third}) {
    one->SetLeaderHint(leader.endpoint());
    one->SetFaults([](auto) { return Fault::kRefuse; });
  }
  client_ = NewClient({fake_.endpoint(), second.endpoint(), third.endpoint(), leader.endpoint()});
  EXPECT_EQ(Put(kAbsent).code, PutCode::kOk);
  EXPECT_LE(fake_.requests() + second.requests() + third.requests(), 1);
  EXPECT_EQ(leader.requests(), 1);
}

TEST_F(FaultTest, AnAnswerThatIsTooLongEndsTheCallAtOnce) {
  client_ = NewClient({}, {.reply_bytes_max = 1000});
  ASSERT_EQ(client_->Put("k", std::string(2000, 'x'), kAbsent)->code, PutCode::kOk);
  const auto got = client_->Get("k");
  EXPECT_TRUE(absl::IsResourceExhausted(got.status())) << got.status();
}

TEST_F(FaultTest, OptionsThatCannotWorkAreNamed) {
  const auto create = [](std::vector<std::string> endpoints, bool tls) {
    ClientOptions options;
    options.endpoints = std::move(endpoints);
    if (tls) options.tls.emplace();
    return std::string(Client::Create(std::move(options)).status().message());
  };
  EXPECT_THAT(create({}, false), testing::HasSubstr("no endpoint"));
  EXPECT_THAT(create({"nonsense"}, false), testing::HasSubstr("nonsense"));
  EXPECT_THAT(create({"https://h:1"}, false), testing::HasSubstr("ClientOptions::tls"));
  EXPECT_THAT(create({"http://h:1"}, true), testing::HasSubstr("no TLS"));
}

TEST_F(FaultTest, TheClientsEndFailsWhatWaits) {
  fake_.SetFaults([](auto) { return Fault::kSilence; });
  absl::Status got;
  absl::StatusOr<PutResult> put;
  std::vector<std::thread> waiters;
  {
    auto client = NewClient();
    waiters.emplace_back([&got, raw = client.get()] { got = raw->Get("k").status(); });
    waiters.emplace_back([&put, raw = client.get()] { put = raw->Put("k", "v", kAbsent); });
    ASSERT_TRUE(WaitUntil([&] { return fake_.requests() == 2; }));
  }
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_TRUE(absl::IsCancelled(got)) << got;
  ASSERT_TRUE(put.ok()) << put.status() << ": it was written";
  EXPECT_EQ(put->code, PutCode::kMaybe);
}

TEST(TlsTest, BothSidesShowTheirCertificates) {
  const auto material = trireme::test::MakeTlsMaterial();
  rpc::ServerOptions options;
  options.tls = {material.certificate_pem, material.key_pem, material.certificate_pem};
  FakeEtcd fake(std::make_shared<FakeStore>(), options);
  ClientOptions client_options{.endpoints = {"https://" + fake.endpoint()}};
  client_options.tls = {material.certificate_pem, material.certificate_pem, material.key_pem, ""};
  auto client = Client::Create(client_options);
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ((*client)->Put("k", "v", kAbsent)->code, PutCode::kOk);

  client_options.tls->certificate_chain_pem.clear();
  client_options.tls->private_key_pem.clear();
  auto stranger = Client::Create(client_options);
  ASSERT_TRUE(stranger.ok()) << stranger.status();
  EXPECT_FALSE((*stranger)->Get("k", {.timeout = absl::Milliseconds(200)}).ok());
}

// ---- Leases.

TEST_F(FaultTest, ManyLeasesShareOneStream) {
  std::vector<Lease> leases;
  for (int i = 0; i < 50; ++i) leases.push_back(client_->Grant().value());
  ASSERT_TRUE(WaitUntil([&] { return fake_.renewals() >= 50; }));
  for (const Lease& lease : leases) EXPECT_TRUE(lease.alive());
  EXPECT_EQ(fake_.renewal_streams(), 1);
}

TEST_F(FaultTest, ABrokenStreamOfRenewalsIsReplaced) {
  auto lease = client_->Grant({.ttl = absl::Seconds(6)});
  ASSERT_TRUE(lease.ok()) << lease.status();
  ASSERT_TRUE(WaitUntil([&] { return fake_.renewals() == 1; }));
  fake_.BreakRenewals();
  ASSERT_TRUE(WaitUntil([&] { return fake_.renewals() >= 2; }));
  EXPECT_EQ(fake_.renewal_streams(), 2);
  EXPECT_TRUE(lease->alive());
}

TEST_F(FaultTest, ALeaseIsLostByItsOwnClockBeforeItsTime) {
  fake_.IgnoreRenewals(true);
  const auto before = absl::Now();
  auto lease = client_->Grant({.ttl = absl::Seconds(1)});
  ASSERT_TRUE(lease.ok()) << lease.status();
  std::atomic<int> told{0};
  lease->OnLost([&] { ++told; });
  EXPECT_TRUE(lease->WaitLost(absl::Seconds(20)));
  EXPECT_FALSE(lease->alive());
  EXPECT_GE(absl::Now() - before, absl::Milliseconds(880));
  EXPECT_TRUE(WaitUntil([&] { return told == 1; }));
  std::atomic<bool> late{false};
  lease->OnLost([&] { late = true; });
  EXPECT_TRUE(WaitUntil([&] { return late.load(); })) << "at once when it is lost";
}

TEST_F(FaultTest, ALeaseThatTheServerForgotIsLostAtTheNextRenewal) {
  auto lease = client_->Grant({.ttl = absl::Seconds(1)});
  ASSERT_TRUE(lease.ok()) << lease.status();
  ASSERT_TRUE(store_->Revoke(lease->id().value).ok());
  EXPECT_TRUE(lease->WaitLost(absl::Seconds(20)));
}

TEST_F(FaultTest, AGrantWhoseAnswerWasLostIsOneAllTheSame) {
  Next("/etcdserverpb.Lease/LeaseGrant", {Fault::kDropReply});
  auto lease = client_->Grant();
  ASSERT_TRUE(lease.ok()) << lease.status();
  EXPECT_EQ(store_->leases().size(), 1u);
  Next("/etcdserverpb.Lease/LeaseRevoke", {Fault::kDropReply});
  EXPECT_TRUE(lease->Revoke().ok());
}

TEST_F(FaultTest, ALockWhoseLeaseIsLostSaysSoAndItsWritesAreRefused) {
  auto lock = client_->Acquire("l");
  ASSERT_TRUE(lock.ok()) << lock.status();
  Txn txn;
  txn.Then(kv::Put("k", "v")).Else(kv::Put("k", "else"));
  ASSERT_TRUE(client_->Commit(lock->Fenced(txn)).ok());
  for (const std::int64_t id : store_->leases()) ASSERT_TRUE(store_->Revoke(id).ok());
  const auto refused = client_->Commit(lock->Fenced(txn));
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status())) << refused.status();
  EXPECT_FALSE(MayHaveTakenEffect(refused.status()));
  EXPECT_EQ(client_->Get("k")->value, "v");
}

TEST_F(FaultTest, AProclamationWhoseAnswerWasLostIsFoundDone) {
  auto leader = client_->Campaign("e", "a");
  ASSERT_TRUE(leader.ok()) << leader.status();
  NextTxns({Fault::kDropReply});
  EXPECT_TRUE(leader->Proclaim("b").ok());
  NextTxns({Fault::kExecuteLater});
  EXPECT_TRUE(leader->Proclaim("c").ok());
  EXPECT_TRUE(leader->Proclaim("d").ok());
  fake_.ExecuteHeld();
  EXPECT_EQ(client_->Leader("e")->value, "d") << "a late try undid a later call";
}

// ---- Watches.

/// The values 1, 2, 3, ... in order, whatever the batches; false at an error.
bool ReadValues(Watcher& watcher, int from, int to) {
  int next = from;
  while (next <= to) {
    const auto batch = watcher.Next(absl::Seconds(30));
    EXPECT_TRUE(batch.ok()) << batch.status() << " while waiting for " << next;
    if (!batch.ok()) return false;
    for (const Event& event : batch->events) {
      EXPECT_EQ(event.key_value.value, std::to_string(next));
      if (event.key_value.value != std::to_string(next++)) return false;
    }
  }
  return true;
}

TEST_F(FaultTest, AWatchGoesOnAcrossBrokenStreamsWithoutGapOrRepeat) {
  FakeEtcd second(store_);
  client_ = NewClient({fake_.endpoint(), second.endpoint()});
  auto watcher = client_->Watch(KeyRange::Single("k"));
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  constexpr int kWrites = 300;
  std::thread writer([&] {
    for (int i = 1; i <= kWrites; ++i) {
      EXPECT_EQ(client_->Put("k", std::to_string(i), Version{i - 1})->code, PutCode::kOk);
      if (i % 20 == 0) (i % 40 == 0 ? fake_ : second).BreakWatches();
    }
  });
  EXPECT_TRUE(ReadValues(*watcher, 1, kWrites));
  writer.join();
  EXPECT_GT(fake_.watches_opened() + second.watches_opened(), 1);
}

TEST_F(FaultTest, FragmentsOfARevisionComeAsOne) {
  fake_.SetFragmentEvents(2);
  auto watcher = client_->Watch(KeyRange::Prefix("k"));
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  Txn txn;
  for (int i = 0; i < 7; ++i) txn.Then(kv::Put("k" + std::to_string(i), "v"));
  ASSERT_TRUE(client_->Commit(txn).ok());
  const auto batch = watcher->Next(absl::Seconds(20));
  ASSERT_TRUE(batch.ok()) << batch.status();
  EXPECT_EQ(batch->events.size(), 7u);
}

TEST_F(FaultTest, ASlowReaderHoldsTheServerBackAndMissesNothing) {
  auto watcher = client_->Watch(KeyRange::Single("k"), {.queue_bytes_max = 1000});
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  constexpr int kWrites = 200;
  for (int i = 1; i <= kWrites; ++i) {
    ASSERT_EQ(client_->Put("k", std::to_string(i), Version{i - 1})->code, PutCode::kOk);
    if (i == kWrites / 2) fake_.BreakWatches();
  }
  EXPECT_TRUE(ReadValues(*watcher, 1, kWrites));
}

TEST_F(FaultTest, CompactionOfWhatAWatchMissedIsAnErrorThatSaysSo) {
  auto watcher = client_->Watch(KeyRange::Single("k"));
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  ASSERT_EQ(client_->Put("k", "1", kAbsent)->code, PutCode::kOk);
  ASSERT_TRUE(ReadValues(*watcher, 1, 1));
  fake_.Stop();
  for (int i = 0; i < 3; ++i) Meddle("k");
  ASSERT_TRUE(store_->Compact(store_->revision()).ok());
  fake_.Start();
  const absl::Status end = watcher->Next(absl::Seconds(30)).status();
  EXPECT_TRUE(absl::IsOutOfRange(end)) << end;
  EXPECT_EQ(CompactedAt(end), Revision{store_->revision()});
}

TEST_F(FaultTest, ProgressTellsHowFarAnIdleWatchIsAndSavesItFromCompaction) {
  auto watcher = client_->Watch(KeyRange::Single("k"), {.progress = true});
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  for (int i = 0; i < 3; ++i) Meddle("other");
  fake_.SendProgress();
  const auto progress = watcher->Next(absl::Seconds(20));
  ASSERT_TRUE(progress.ok()) << progress.status();
  EXPECT_TRUE(progress->events.empty());
  EXPECT_EQ(progress->revision, Revision{store_->revision()});
  ASSERT_TRUE(store_->Compact(store_->revision()).ok());
  fake_.BreakWatches();
  Meddle("k");
  const auto event = watcher->Next(absl::Seconds(20));
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ(event->events.size(), 1u);
}

TEST_F(FaultTest, AWatchThatNobodyTakesFailsInTime) {
  fake_.Stop();
  const auto watcher = client_->Watch(KeyRange::Single("k"), {.timeout = absl::Milliseconds(100)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(watcher.status())) << watcher.status();
}

TEST_F(FaultTest, CancelWakesTheReader) {
  auto watcher = client_->Watch(KeyRange::Single("k"));
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  std::thread canceller([&] { watcher->Cancel(); });
  EXPECT_TRUE(absl::IsCancelled(watcher->Next().status()));
  canceller.join();
}

}  // namespace
}  // namespace trireme::kv
