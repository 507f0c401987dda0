#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <trireme/kv.h>
#include "base/random.h"
#include "gtest/gtest.h"
#include "kv/etcd_process.h"
#include "kv/fake_etcd.h"
#include "kv/lossy_proxy.h"

/// The key/value and lock scenarios of MIT 6.5840's labs by their names, and histories under faults
/// drawn at random. Exact checks need no search: the versions of a key order all writes to it.
namespace trireme::kv {
namespace {

using test::FakeEtcd;
using test::FakeStore;
using test::Fault;
using Clock = std::chrono::steady_clock;

enum class Network { kReliable, kUnreliable };

/// Two members of one store, on a network of the course's kind: a tenth of requests and a tenth of
/// answers are lost; moreover some requests arrive long after their client gave them up.
class Cluster {
 public:
  explicit Cluster(Network network, std::uint64_t seed = 1)
      : store_(std::make_shared<FakeStore>()), first_(store_), second_(store_) {
    if (network == Network::kReliable) return;
    for (FakeEtcd* member : {&first_, &second_}) {
      member->SetFaults([random = std::make_shared<Random>(seed++)](auto) {
        const std::uint64_t drawn = random->Below(100);
        if (drawn < 10) return Fault::kDropRequest;
        if (drawn < 20) return Fault::kDropReply;
        if (drawn < 25) return Fault::kExecuteLater;
        return drawn < 28 ? Fault::kRefuse : Fault::kNone;
      });
    }
    late_ = std::thread([this] {
      while (!over_) {
        std::this_thread::sleep_for(std::chrono::milliseconds(7));
        first_.ExecuteHeld();
        second_.ExecuteHeld();
      }
    });
  }
  ~Cluster() {
    over_ = true;
    if (late_.joinable()) late_.join();
  }

  std::unique_ptr<Client> NewClient() const {
    ClientOptions options;
    options.endpoints = {first_.endpoint(), second_.endpoint()};
    options.backoff_min = absl::Milliseconds(1);
    options.call_timeout = absl::Seconds(60);
    return Client::Create(std::move(options)).value();
  }

 private:
  const std::shared_ptr<FakeStore> store_;
  FakeEtcd first_, second_;
  std::atomic<bool> over_{false};
  std::thread late_;
};

/// What serves: the fake with its network, or our server's processes, single and three nodes.
enum class Kind { kFake, kTrireme, kThree };

class Processes {
 public:
  explicit Processes(int members, Network network = Network::kReliable)
      : cluster_(members, test::Program::kTrireme) {
    if (network == Network::kReliable) return;
    for (int i = 0; i < members; ++i)
      proxies_.push_back(std::make_unique<test::LossyProxy>(cluster_.client_port(i), i + 1));
  }
  std::unique_ptr<Client> NewClient() const {
    ClientOptions options;
    if (proxies_.empty()) options.endpoints = cluster_.endpoints();
    for (const auto& proxy : proxies_) options.endpoints.push_back(proxy->endpoint());
    options.backoff_min = absl::Milliseconds(1);
    options.call_timeout = absl::Seconds(60);
    return Client::Create(std::move(options)).value();
  }

 private:
  test::EtcdCluster cluster_;
  std::vector<std::unique_ptr<test::LossyProxy>> proxies_;
};

/// Without faults of its own.
class Reliable : public testing::TestWithParam<Kind> {
 protected:
  Reliable() {
    if (GetParam() == Kind::kFake) fake_ = std::make_unique<Cluster>(Network::kReliable);
    if (GetParam() != Kind::kFake)
      processes_ = std::make_unique<Processes>(GetParam() == Kind::kThree ? 3 : 1);
  }

 public:
  std::unique_ptr<Client> NewClient() const {
    return fake_ ? fake_->NewClient() : processes_->NewClient();
  }

 private:
  std::unique_ptr<Cluster> fake_;
  std::unique_ptr<Processes> processes_;
};

std::string NameOf(const testing::TestParamInfo<Kind>& kind) {
  constexpr const char* kNames[] = {"Fake", "Trireme", "Three"};
  return kNames[static_cast<int>(kind.param)];
}
INSTANTIATE_TEST_SUITE_P(CourseTest, Reliable,
                         testing::Values(Kind::kFake, Kind::kTrireme, Kind::kThree), NameOf);

/// Runs `body(client, number)` on a thread for each of `count` clients.
template <class Servers, class Body>
void ForClients(const Servers& cluster, int count, Body body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] { body(*cluster.NewClient(), i); });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_P(Reliable, Put) {
  const auto client = NewClient();
  EXPECT_TRUE(absl::IsNotFound(client->Get("k").status()));
  EXPECT_EQ(client->Put("k", "v", Version{1})->code, PutCode::kNoKey);
  EXPECT_EQ(client->Put("k", "v", kAbsent)->code, PutCode::kOk);
  EXPECT_EQ(client->Get("k")->version, Version{1});
  EXPECT_EQ(client->Put("k", "v", kAbsent)->code, PutCode::kVersionMismatch);
  EXPECT_EQ(client->Put("k", "v", Version{2})->code, PutCode::kVersionMismatch);
}

/// What clients saw of one key, and the check that it is linearizable.
class History {
 public:
  struct Seen {
    Clock::time_point began, ended;
    std::int64_t version;
    std::string value;
  };

  void Wrote(Seen seen) {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(writers_.emplace(seen.version, seen.value).second)
        << "two puts made version " << seen.version;
    seen_.push_back(std::move(seen));
  }
  /// Perhaps: it has no time, but only it can have made this version with this value.
  void MayHaveWritten(std::int64_t version, const std::string& value) {
    const std::lock_guard lock(mutex_);
    perhaps_.emplace(version, value);
  }
  void Read(Seen seen) {
    const std::lock_guard lock(mutex_);
    seen_.push_back(std::move(seen));
  }

  std::size_t writes() const { return writers_.size(); }
  std::size_t perhaps() const { return perhaps_.size(); }

  void Check() {
    std::map<std::int64_t, std::string> values;
    for (const Seen& one : seen_) {
      EXPECT_EQ(values.emplace(one.version, one.value).first->second, one.value);
      EXPECT_TRUE(one.version == 0 || Made(one)) << "nobody wrote '" << one.value << "'";
    }
    // What ended before another began is not later than it.
    std::ranges::sort(seen_, {}, &Seen::ended);
    std::vector<Seen> by_begin = seen_;
    std::ranges::sort(by_begin, {}, &Seen::began);
    std::int64_t least = 0;
    auto ended = seen_.begin();
    for (const Seen& one : by_begin) {
      for (; ended != seen_.end() && ended->ended < one.began; ++ended) {
        least = std::max(least, ended->version);
      }
      EXPECT_GE(one.version, least) << "time went back";
    }
  }

 private:
  bool Made(const Seen& seen) const {
    const auto writer = writers_.find(seen.version);
    if (writer != writers_.end()) return writer->second == seen.value;
    return perhaps_.count({seen.version, seen.value}) == 1;
  }

  std::mutex mutex_;
  std::vector<Seen> seen_;
  std::map<std::int64_t, std::string> writers_;
  std::set<std::pair<std::int64_t, std::string>> perhaps_;
};

/// Reads and puts at the version read until the time is over.
void Race(Client& client, int number, bool certain, Clock::time_point until, History& history) {
  for (int i = 0; Clock::now() < until; ++i) {
    const auto began = Clock::now();
    const auto got = client.Get("k");
    ASSERT_TRUE(got.ok() || absl::IsNotFound(got.status())) << got.status();
    const Version version = got.ok() ? got->version : kAbsent;
    history.Read({began, Clock::now(), version.value, got.ok() ? got->value : ""});

    const std::string value = std::to_string(number) + "/" + std::to_string(i);
    const auto put_began = Clock::now();
    const auto put = client.Put("k", value, version, {.certain = certain});
    ASSERT_TRUE(put.ok()) << put.status();
    if (put->code == PutCode::kOk) {
      history.Wrote({put_began, Clock::now(), put->version.value, value});
    } else if (put->code == PutCode::kMaybe) {
      history.MayHaveWritten(version.value + 1, value);
    }
    EXPECT_NE(put->code, PutCode::kNoKey);
  }
}

/// Returns the final version.
template <class Servers>
std::int64_t RaceFor(const Servers& cluster, int clients, bool certain,
                     std::chrono::milliseconds time, History& history) {
  const auto until = Clock::now() + time;
  ForClients(cluster, clients,
             [&](Client& client, int number) { Race(client, number, certain, until, history); });
  history.Check();
  return cluster.NewClient()->Get("k")->version.value;
}

TEST_P(Reliable, PutConcurrent) {
  History history;
  const std::int64_t version = RaceFor(*this, 10, false, std::chrono::milliseconds(500), history);
  EXPECT_EQ(version, static_cast<std::int64_t>(history.writes()));
  EXPECT_EQ(history.perhaps(), 0u);
}

/// The server keeps nothing of a client that has gone, though each put wrote an operation id.
TEST_P(Reliable, MemPutManyClients) {
  constexpr int kClients = 200;
  const std::string value(1000, 'v');
  for (int i = 0; i < kClients; ++i) {
    const auto put = NewClient()->Put("k", value, Version{i}, {.certain = true});
    ASSERT_TRUE(put.ok()) << put.status();
    ASSERT_EQ(put->code, PutCode::kOk);
  }
  const auto client = NewClient();
  const auto until = Clock::now() + std::chrono::seconds(60);
  std::int64_t keys = 0;
  do {
    const auto all = client->Range({.range = KeyRange::All()});
    ASSERT_TRUE(all.ok()) << all.status();
    keys = all->count;
  } while (keys > 1 && Clock::now() < until);
  EXPECT_EQ(keys, 1) << "of clients that have gone";
  EXPECT_EQ(client->Get("k")->version, Version{kClients});
}

TEST(CourseTest, PutConcurrentUnreliable) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Cluster cluster(Network::kUnreliable, seed);
    History history;
    const auto version = static_cast<std::size_t>(
        RaceFor(cluster, 5, false, std::chrono::milliseconds(300), history));
    EXPECT_GE(version, history.writes());
    // Late requests may still be on their way, but those that arrived are among the perhaps.
    EXPECT_LE(version, history.writes() + history.perhaps());
  }
}

TEST(CourseTest, PutConcurrentUnreliableCertain) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Cluster cluster(Network::kUnreliable, seed);
    History history;
    const std::int64_t version = RaceFor(cluster, 5, true, std::chrono::milliseconds(300), history);
    EXPECT_EQ(version, static_cast<std::int64_t>(history.writes()));
    EXPECT_EQ(history.perhaps(), 0u);
  }
}

/// One client's puts, each repeated until it is certain.
void PutUnderFaults(Client& client) {
  constexpr int kPuts = 100;
  int maybes = 0;
  for (int i = 0; i < kPuts; ++i) {
    const std::string value = std::to_string(i);
    auto put = client.Put("k", value, Version{i});
    ASSERT_TRUE(put.ok()) << put.status();
    const bool maybe = put->code == PutCode::kMaybe;
    maybes += maybe;
    // Repeated until it is certain: the key then has the version, by this put and no other.
    while (put->code == PutCode::kMaybe) {
      const auto got = client.Get("k");
      if (got.ok() && got->version == Version{i + 1}) break;
      put = client.Put("k", value, Version{i});
      ASSERT_TRUE(put.ok()) << put.status();
    }
    EXPECT_TRUE(maybe || put->code == PutCode::kOk);
    const auto got = client.Get("k");
    EXPECT_EQ(got->value, value);
    EXPECT_EQ(got->version, Version{i + 1}) << "a put happened twice, or not at all";
  }
  EXPECT_GT(maybes, 0);
}

TEST(CourseTest, UnreliableNet) {
  const Cluster cluster(Network::kUnreliable);
  PutUnderFaults(*cluster.NewClient());
}

/// Acquire, check, mark a second key, hold, clear, release.
void LockRounds(Client& client, Clock::time_point until, std::atomic<int>& rounds) {
  while (Clock::now() < until) {
    auto lock = client.Acquire("l");
    ASSERT_TRUE(lock.ok()) << lock.status();
    const auto before = client.Get("mark");
    const Version version = before.ok() ? before->version : kAbsent;
    EXPECT_TRUE(!before.ok() || before->value.empty()) << "held by " << before->value;
    const auto marked = client.Put("mark", lock->key(), version);
    ASSERT_TRUE(marked.ok()) << marked.status();
    EXPECT_TRUE(marked->code == PutCode::kOk || marked->code == PutCode::kMaybe);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));  // The scenario's holding time.
    EXPECT_EQ(client.Get("mark")->value, lock->key()) << "somebody else has the lock too";
    const auto cleared = client.Put("mark", "", Version{version.value + 1});
    ASSERT_TRUE(cleared.ok()) << cleared.status();
    EXPECT_TRUE(cleared->code == PutCode::kOk || cleared->code == PutCode::kMaybe);
    ++rounds;
    EXPECT_TRUE(lock->Release().ok());
  }
}

template <class Servers>
void LockScenario(int clients, const Servers& cluster) {
  std::atomic<int> rounds{0};
  const auto until = Clock::now() + std::chrono::milliseconds(700);
  ForClients(cluster, clients, [&](Client& client, int) { LockRounds(client, until, rounds); });
  EXPECT_GE(rounds, clients);
}

TEST_P(Reliable, LockOneClient) {
  LockScenario(1, *this);
}
TEST_P(Reliable, LockManyClients) {
  LockScenario(10, *this);
}
TEST(CourseTest, LockOneClientUnreliable) {
  LockScenario(1, Cluster(Network::kUnreliable));
}
TEST(CourseTest, LockManyClientsUnreliable) {
  LockScenario(10, Cluster(Network::kUnreliable));
}

/// Our server's processes behind proxies that lose a tenth of everything.
class Unreliable : public testing::TestWithParam<Kind> {
 public:
  std::unique_ptr<Client> NewClient() const { return processes_.NewClient(); }

 private:
  Processes processes_{GetParam() == Kind::kThree ? 3 : 1, Network::kUnreliable};
};
INSTANTIATE_TEST_SUITE_P(CourseTest, Unreliable, testing::Values(Kind::kTrireme, Kind::kThree),
                         NameOf);

TEST_P(Unreliable, PutConcurrent) {
  History history;
  const auto version =
      static_cast<std::size_t>(RaceFor(*this, 5, false, std::chrono::seconds(1), history));
  EXPECT_GE(version, history.writes());
  EXPECT_LE(version, history.writes() + history.perhaps());
}
TEST_P(Unreliable, PutConcurrentCertain) {
  History history;
  const auto version = RaceFor(*this, 5, true, std::chrono::seconds(1), history);
  EXPECT_EQ(version, static_cast<std::int64_t>(history.writes()));
  EXPECT_EQ(history.perhaps(), 0u);
}
TEST_P(Unreliable, UnreliableNet) {
  PutUnderFaults(*NewClient());
}
TEST_P(Unreliable, LockOneClient) {
  LockScenario(1, *this);
}
TEST_P(Unreliable, LockManyClients) {
  LockScenario(10, *this);
}

TEST(CounterTest, CertainIncrementsUnderFaultsCountExactly) {
  const Cluster cluster(Network::kUnreliable, 42);
  constexpr int kClients = 4, kIncrements = 25;
  ForClients(cluster, kClients, [&](Client& client, int) {
    for (int done = 0; done < kIncrements;) {
      const auto got = client.Get("counter");
      const int value = got.ok() ? std::stoi(got->value) : 0;
      const auto put = client.Put("counter", std::to_string(value + 1),
                                  got.ok() ? got->version : kAbsent, {.certain = true});
      ASSERT_TRUE(put.ok()) << put.status();
      ASSERT_NE(put->code, PutCode::kMaybe);
      done += put->code == PutCode::kOk;
    }
  });
  EXPECT_EQ(cluster.NewClient()->Get("counter")->value, std::to_string(kClients * kIncrements));
}

}  // namespace
}  // namespace trireme::kv
