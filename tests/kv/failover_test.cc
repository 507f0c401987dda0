#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <trireme/kv.h>
#include "gtest/gtest.h"
#include "kv/etcd_process.h"

/// Three processes on loopback, of Debian's etcd and of our server, of which some die under a load
/// of our clients.
namespace trireme::kv {
namespace {

/// False after a minute, which fails a test.
bool WaitUntil(const std::function<bool()>& condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

class FailoverTest : public testing::TestWithParam<test::Program> {
 protected:
  FailoverTest() : cluster_(3, GetParam()) {}

  std::unique_ptr<Client> NewClient(absl::Duration try_timeout = kTryTimeout) const {
    ClientOptions options;
    options.endpoints = cluster_.endpoints();
    options.call_timeout = absl::Seconds(60);
    options.try_timeout = try_timeout;
    return Client::Create(std::move(options)).value();
  }

  test::EtcdCluster cluster_;
};

const auto kNames = [](const auto& program) {
  return program.param == test::Program::kEtcd ? "Etcd" : "Trireme";
};
INSTANTIATE_TEST_SUITE_P(Programs, FailoverTest,
                         testing::Values(test::Program::kEtcd, test::Program::kTrireme), kNames);

/// One thread that puts to a key of its own, each value the version it makes, until told to end.
class Writer {
 public:
  Writer(std::unique_ptr<Client> client, std::string key, bool certain)
      : client_(std::move(client)), key_(std::move(key)), certain_(certain) {
    thread_ = std::thread([this] { Run(); });
  }
  ~Writer() { End(); }
  void End() {
    over_ = true;
    if (thread_.joinable()) thread_.join();
  }
  std::int64_t written() const { return version_; }
  int maybes() const { return maybes_; }

 private:
  void Run() {
    while (!over_) {
      const std::int64_t version = version_;
      const auto put =
          client_->Put(key_, std::to_string(version + 1), Version{version}, {.certain = certain_});
      ASSERT_TRUE(put.ok()) << put.status();
      if (put->code == PutCode::kMaybe) {
        ++maybes_;
        const auto got = client_->Get(key_);
        ASSERT_TRUE(got.ok()) << got.status();
        ASSERT_TRUE(got->version == Version{version} || got->version == Version{version + 1});
        version_ = got->version.value;
        continue;
      }
      ASSERT_EQ(put->code, PutCode::kOk) << "only this writes the key";
      ASSERT_EQ(put->version, Version{version + 1});
      version_ = put->version.value;
    }
  }

  const std::unique_ptr<Client> client_;
  const std::string key_;
  const bool certain_;
  std::atomic<bool> over_{false};
  std::atomic<std::int64_t> version_{0};
  std::atomic<int> maybes_{0};
  std::thread thread_;
};

/// Each version of `key` up to `last`, once and in order.
void ExpectEveryVersion(Watcher& watcher, std::int64_t last) {
  for (std::int64_t next = 1; next <= last;) {
    const auto batch = watcher.Next(absl::Seconds(60));
    ASSERT_TRUE(batch.ok()) << batch.status();
    for (const Event& event : batch->events) {
      ASSERT_EQ(event.key_value.version, Version{next});
      ASSERT_EQ(event.key_value.value, std::to_string(next));
      ++next;
    }
  }
}

TEST_P(FailoverTest, KillingTheLeaderUnderLoadLosesAndRepeatsNothing) {
  auto client = NewClient();
  auto watcher = client->Watch(KeyRange::Single("certain"));
  ASSERT_TRUE(watcher.ok()) << watcher.status();
  auto lock = client->Acquire("lock");
  ASSERT_TRUE(lock.ok()) << lock.status();
  Writer certain(NewClient(), "certain", true), plain(NewClient(), "plain", false);
  const auto both_wrote = [&](std::int64_t more) {
    const std::int64_t a = certain.written() + more, b = plain.written() + more;
    return WaitUntil([&, a, b] { return certain.written() >= a && plain.written() >= b; });
  };
  ASSERT_TRUE(both_wrote(50));
  const int leader = cluster_.Leader();
  cluster_.Kill(leader);
  ASSERT_TRUE(both_wrote(50)) << "writes go on without the old leader";
  cluster_.Restart(leader);
  cluster_.Kill(cluster_.Leader());
  ASSERT_TRUE(both_wrote(50));
  certain.End();
  plain.End();

  EXPECT_EQ(certain.maybes(), 0);
  EXPECT_EQ(client->Get("certain")->version, Version{certain.written()});
  EXPECT_EQ(client->Get("plain")->version, Version{plain.written()});
  ExpectEveryVersion(*watcher, certain.written());
  EXPECT_TRUE(lock->held());
  Txn fenced;
  fenced.Then(Put("guarded", "v"));
  EXPECT_TRUE(client->Commit(lock->Fenced(fenced), {.certain = true}).ok());
}

TEST_P(FailoverTest, AStoppedLeaderDelaysButMisleadsNobody) {
  Writer writer(NewClient(absl::Seconds(1)), "k", true);
  ASSERT_TRUE(WaitUntil([&] { return writer.written() >= 20; }));
  const int leader = cluster_.Leader();
  cluster_.Signal(leader, SIGSTOP);
  const std::int64_t before = writer.written();
  ASSERT_TRUE(WaitUntil([&] { return writer.written() >= before + 20; }));
  cluster_.Signal(leader, SIGCONT);
  writer.End();
  // Also a client that asks the old leader alone is told the truth.
  ClientOptions options;
  options.endpoints = {cluster_.endpoints()[leader]};
  options.call_timeout = absl::Seconds(60);
  EXPECT_EQ((*Client::Create(options))->Get("k")->version, Version{writer.written()});
}

/// What only our server promises.
class OwnFailoverTest : public FailoverTest {};
INSTANTIATE_TEST_SUITE_P(Programs, OwnFailoverTest, testing::Values(test::Program::kTrireme),
                         kNames);

TEST_P(OwnFailoverTest, AllAreKilledAtOnceAndNothingAcknowledgedIsLost) {
  Writer writer(NewClient(), "k", true);
  ASSERT_TRUE(WaitUntil([&] { return writer.written() >= 50; }));
  for (int i = 0; i < cluster_.size(); ++i) cluster_.Kill(i);
  const std::int64_t acknowledged = writer.written();
  for (int i = 0; i < cluster_.size(); ++i) cluster_.Start(i);
  ASSERT_TRUE(WaitUntil([&] { return writer.written() >= acknowledged + 20; }));
  writer.End();
  EXPECT_EQ(writer.maybes(), 0);
  EXPECT_EQ(NewClient()->Get("k")->version, Version{writer.written()});
}

TEST_P(OwnFailoverTest, EachIsStoppedAndStartedAndNoRequestFails) {
  Writer writer(NewClient(), "k", true);
  for (int i = 0; i < cluster_.size(); ++i) {
    const std::int64_t before = writer.written();
    ASSERT_TRUE(WaitUntil([&] { return writer.written() >= before + 20; }));
    EXPECT_EQ(cluster_.Terminate(i), 0) << "a clean end";
    cluster_.Restart(i);
  }
  writer.End();
  EXPECT_EQ(NewClient()->Get("k")->version, Version{writer.written()});
}

std::string FirstLine(const std::string& path) {
  std::string line;
  std::ifstream file(path);
  std::getline(file, line);
  return line;
}

/// Puts so many values to one key, most of them at a time; the last is `last`.
void PutMany(Client& client, int count, const std::string& last) {
  constexpr int kAtATime = 500;
  std::mutex mutex;
  std::condition_variable ended;
  int running = 0;
  for (int i = 0; i < count; ++i) {
    std::unique_lock lock(mutex);
    ended.wait(lock, [&] { return running < kAtATime; });
    ++running;
    lock.unlock();
    client.PutAsync("k", "v", kAnyVersion, {}, [&](const absl::StatusOr<PutResult>& put) {
      EXPECT_TRUE(put.ok()) << put.status();
      const std::lock_guard done(mutex);
      --running;
      ended.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  ended.wait(lock, [&] { return running == 0; });
  EXPECT_TRUE(client.Put("k", last, kAnyVersion).ok());
}

/// A member that is farther behind than the log goes back gets the files of the leader's store, and
/// keeps them.
TEST(FarBehindTest, AMemberGetsTheStoresFiles) {
  ::setenv("ETCD_SNAPSHOT_COUNT", "1000", 1);
  test::EtcdCluster cluster(3, test::Program::kTrireme);
  const auto client_of = [](std::vector<std::string> endpoints) {
    ClientOptions options;
    options.endpoints = std::move(endpoints);
    options.call_timeout = absl::Seconds(60);
    return Client::Create(std::move(options)).value();
  };
  const auto client = client_of(cluster.endpoints());
  const int away = (cluster.Leader() + 1) % cluster.size();
  const auto own = client_of({cluster.endpoints()[away]});
  const auto has = [&](const std::string& value) {
    const auto got = own->Get("k", {.serializable = true});
    return got.ok() && got->value == value;
  };
  const std::string current = cluster.data_dir(away) + "/kv/CURRENT";
  ASSERT_EQ(FirstLine(current), "1");
  // If the others still had the whole log, it gets that: then once more.
  std::string value;
  for (int round = 0; round < 5 && FirstLine(current) == "1"; ++round) {
    cluster.Kill(away);
    value = std::to_string(round);
    PutMany(*client, 13'000, value);
    cluster.Restart(away);
    ASSERT_TRUE(WaitUntil([&] { return has(value); }));
  }
  EXPECT_EQ(FirstLine(current), "2");
  const std::string replaced = cluster.data_dir(away) + "/kv/1";
  EXPECT_TRUE(WaitUntil([&] { return !std::filesystem::exists(replaced); })) << replaced;
  cluster.Kill(away);
  cluster.Restart(away);
  EXPECT_TRUE(WaitUntil([&] { return has(value); }));
  EXPECT_EQ(cluster.Terminate(away), 0);
  cluster.Restart(away);
  EXPECT_TRUE(WaitUntil([&] { return has(value); }));
}

}  // namespace
}  // namespace trireme::kv
