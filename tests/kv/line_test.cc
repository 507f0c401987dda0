// v3lockpb.Lock and v3electionpb.Election of a server in this process, by their calls.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <future>
#include <latch>
#include <memory>
#include <string>
#include <thread>

#include "etcd/election.trireme.h"
#include "etcd/lock.trireme.h"
#include "etcd/rpc.trireme.h"
#include "kv/server/server.h"
#include "rpc/address.h"

namespace trireme::kv {
namespace {

constexpr std::chrono::seconds kPatience{60};

class LineTest : public testing::Test {
 protected:
  LineTest() {
    ServerOptions options;
    options.listen_client_urls = {"http://127.0.0.1:0"};
    options.listen_peer_urls = {"http://127.0.0.1:0"};
    server_ = Server::Start(options).value();
    channel_ =
        rpc::Channel::Create(*rpc::ParseAddress(server_->client_addresses().front())).value();
  }
  ~LineTest() override {
    channel_->Close();
    server_->Stop();
  }

  std::int64_t Grant() {
    etcdserverpb::LeaseGrantRequest request;
    request.set_ttl(600);
    return etcdserverpb::LeaseStub(channel_).LeaseGrant(request, Patient())->id();
  }
  void Revoke(std::int64_t lease) {
    etcdserverpb::LeaseRevokeRequest request;
    request.set_id(lease);
    ASSERT_TRUE(etcdserverpb::LeaseStub(channel_).LeaseRevoke(request).ok());
  }
  bool Exists(const std::string& key) {
    etcdserverpb::RangeRequest request;
    request.set_key(key);
    return etcdserverpb::KVStub(channel_).Range(request)->count() == 1;
  }
  static rpc::CallOptions Patient() {
    rpc::CallOptions options;
    options.timeout = absl::FromChrono(kPatience);
    return options;
  }

  v3lockpb::LockStub locks() const { return v3lockpb::LockStub(channel_); }
  v3electionpb::ElectionStub elections() const { return v3electionpb::ElectionStub(channel_); }

  /// A call that waits; `call` cancels it.
  struct Waiting {
    std::shared_ptr<rpc::ClientCall> call;
    std::future<absl::StatusOr<v3lockpb::LockResponse>> answer;
  };
  Waiting LockSoon(const std::string& name, std::int64_t lease) {
    v3lockpb::LockRequest request;
    request.set_name(name);
    request.set_lease(lease);
    auto done = std::make_shared<std::promise<absl::StatusOr<v3lockpb::LockResponse>>>();
    Waiting waiting;
    waiting.answer = done->get_future();
    waiting.call = locks().LockAsync(request, Patient(),
                                     [done](absl::StatusOr<v3lockpb::LockResponse> response) {
                                       done->set_value(std::move(response));
                                     });
    return waiting;
  }
  void AwaitKey(const std::string& key, bool there) {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (Exists(key) != there && std::chrono::steady_clock::now() < until)
      std::this_thread::yield();
    EXPECT_EQ(Exists(key), there) << key;
  }
  static std::string KeyOf(const std::string& name, std::int64_t lease) {
    char text[32];
    std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(lease));
    return name + "/" + text;
  }

  std::unique_ptr<Server> server_;
  std::shared_ptr<rpc::Channel> channel_;
};

TEST_F(LineTest, TheNextGetsTheLockWhenItIsLeft) {
  const std::int64_t one = Grant(), two = Grant(), three = Grant();
  const auto held = LockSoon("l", one).answer.get();
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(held->key(), KeyOf("l", one));
  Waiting second = LockSoon("l", two);
  AwaitKey(KeyOf("l", two), true);
  Waiting third = LockSoon("l", three);
  AwaitKey(KeyOf("l", three), true);
  v3lockpb::UnlockRequest unlock;
  unlock.set_key(held->key());
  ASSERT_TRUE(locks().Unlock(unlock, Patient()).ok());
  const auto next = second.answer.get();
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->key(), KeyOf("l", two));
  EXPECT_EQ(third.answer.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  Revoke(two);
  EXPECT_TRUE(third.answer.get().ok());
}

TEST_F(LineTest, TheSameLeaseHasItAlready) {
  const std::int64_t lease = Grant();
  const auto first = LockSoon("l", lease).answer.get();
  const auto again = LockSoon("l", lease).answer.get();
  ASSERT_TRUE(first.ok() && again.ok());
  EXPECT_EQ(first->key(), again->key());
}

TEST_F(LineTest, WhoCancelsLeavesTheLine) {
  const std::int64_t one = Grant(), two = Grant(), three = Grant();
  ASSERT_TRUE(LockSoon("l", one).answer.get().ok());
  Waiting second = LockSoon("l", two);
  AwaitKey(KeyOf("l", two), true);
  Waiting third = LockSoon("l", three);
  AwaitKey(KeyOf("l", three), true);
  second.call->Cancel();
  EXPECT_FALSE(second.answer.get().ok());
  AwaitKey(KeyOf("l", two), false);
  Revoke(one);
  EXPECT_TRUE(third.answer.get().ok());
}

TEST_F(LineTest, WhoseLeaseIsGoneIsTold) {
  const std::int64_t one = Grant(), two = Grant();
  ASSERT_TRUE(LockSoon("l", one).answer.get().ok());
  Waiting second = LockSoon("l", two);
  AwaitKey(KeyOf("l", two), true);
  Revoke(two);
  Revoke(one);
  EXPECT_EQ(second.answer.get().status().message(), "mutex: session is expired");
  EXPECT_EQ(LockSoon("l", 12345).answer.get().status().message(),
            "etcdserver: requested lease not found");
}

TEST_F(LineTest, WithoutALeaseOneIsGranted) {
  const auto held = LockSoon("l", 0).answer.get();
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_TRUE(Exists(held->key()));
}

TEST_F(LineTest, AnElectionFromItsBeginningToItsEnd) {
  v3electionpb::LeaderRequest who;
  who.set_name("e");
  EXPECT_EQ(elections().Leader(who, Patient()).status().message(), "election: no leader");
  auto observed = elections().Observe(who);
  v3electionpb::CampaignRequest campaign;
  campaign.set_name("e");
  campaign.set_lease(Grant());
  campaign.set_value("first");
  const auto won = elections().Campaign(campaign, Patient());
  ASSERT_TRUE(won.ok()) << won.status();
  v3electionpb::LeaderResponse seen;
  ASSERT_TRUE(observed.Read(&seen));
  EXPECT_EQ(seen.kv().value(), "first");
  EXPECT_EQ(seen.kv().key(), won->leader().key());

  v3electionpb::ProclaimRequest proclaim;
  *proclaim.mutable_leader() = won->leader();
  proclaim.set_value("second");
  ASSERT_TRUE(elections().Proclaim(proclaim, Patient()).ok());
  ASSERT_TRUE(observed.Read(&seen));
  EXPECT_EQ(seen.kv().value(), "second");
  EXPECT_EQ(elections().Leader(who, Patient())->kv().value(), "second");

  v3electionpb::ResignRequest resign;
  *resign.mutable_leader() = won->leader();
  ASSERT_TRUE(elections().Resign(resign, Patient()).ok());
  EXPECT_EQ(elections().Proclaim(proclaim, Patient()).status().message(), "election: not leader");
  ASSERT_TRUE(elections().Resign(resign, Patient()).ok());
  campaign.set_lease(Grant());
  campaign.set_value("third");
  ASSERT_TRUE(elections().Campaign(campaign, Patient()).ok());
  ASSERT_TRUE(observed.Read(&seen));
  EXPECT_EQ(seen.kv().value(), "third");
}

/// A server that stops ends those who wait.
TEST_F(LineTest, AServerThatStopsKeepsNobody) {
  ASSERT_TRUE(LockSoon("l", Grant()).answer.get().ok());
  const std::int64_t lease = Grant();
  Waiting second = LockSoon("l", lease);
  AwaitKey(KeyOf("l", lease), true);
  server_->Stop();
  EXPECT_FALSE(second.answer.get().ok());
}

TEST_F(LineTest, AnObserverSeesEveryValueOfABurst) {
  constexpr int kValues = 200;
  v3electionpb::CampaignRequest campaign;
  campaign.set_name("e");
  campaign.set_lease(Grant());
  campaign.set_value("first");
  const auto won = elections().Campaign(campaign, Patient());
  ASSERT_TRUE(won.ok()) << won.status();
  v3electionpb::LeaderRequest who;
  who.set_name("e");
  auto observed = elections().Observe(who, Patient());
  v3electionpb::LeaderResponse seen;
  ASSERT_TRUE(observed.Read(&seen));
  const auto answered = std::make_shared<std::latch>(kValues);
  for (int i = 0; i < kValues; ++i) {
    v3electionpb::ProclaimRequest proclaim;
    *proclaim.mutable_leader() = won->leader();
    proclaim.set_value(std::to_string(i));
    elections().ProclaimAsync(proclaim, Patient(), [answered](auto done) {
      EXPECT_TRUE(done.ok()) << done.status();
      answered->count_down();
    });
  }
  for (int i = 0; i < kValues; ++i) {
    ASSERT_TRUE(observed.Read(&seen));
    ASSERT_EQ(seen.kv().value(), std::to_string(i));
  }
  answered->wait();  // The last value may be seen before its answer comes.
}

TEST_F(LineTest, ARenewalIsAnsweredAfterItsClientsLastWord) {
  const std::int64_t lease = Grant();
  auto stream = etcdserverpb::LeaseStub(channel_).LeaseKeepAlive(Patient());
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(lease);
  ASSERT_TRUE(stream.Write(request).ok());
  stream.WritesDone();
  etcdserverpb::LeaseKeepAliveResponse response;
  ASSERT_TRUE(stream.Read(&response));
  EXPECT_EQ(response.ttl(), 600);
  EXPECT_FALSE(stream.Read(&response));
  EXPECT_TRUE(stream.Finish().ok());
}

TEST_F(LineTest, AWatchGoesOnAfterItsClientsLastWord) {
  auto stream = etcdserverpb::WatchStub(channel_).Watch(Patient());
  etcdserverpb::WatchRequest request;
  request.mutable_create_request()->set_key("w");
  ASSERT_TRUE(stream.Write(request).ok());
  stream.WritesDone();
  etcdserverpb::WatchResponse response;
  ASSERT_TRUE(stream.Read(&response));
  EXPECT_TRUE(response.created());
  etcdserverpb::PutRequest put;
  put.set_key("w");
  ASSERT_TRUE(etcdserverpb::KVStub(channel_).Put(put, Patient()).ok());
  ASSERT_TRUE(stream.Read(&response));
  EXPECT_EQ(response.events(0).kv().key(), "w");
}

}  // namespace
}  // namespace trireme::kv
