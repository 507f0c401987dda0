#include "kv/server/watch_hub.h"

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "etcd/rpc.pb.h"
#include "gtest/gtest.h"
#include "kv/model/command_codec.h"
#include "kv/model/model.h"
#include "kv/store/memory_store.h"

namespace trireme::kv::inline engine {
namespace {

namespace pb = ::etcdserverpb;

/// A client that reads when told to.
class Sink final : public WatchSink {
 public:
  void Send(std::string response) override {
    queued_ += response.size();
    pb::WatchResponse parsed;
    ASSERT_TRUE(parsed.ParseFromString(response));
    responses.push_back(std::move(parsed));
  }
  std::size_t queued_bytes() const override { return slow ? queued_ : 0; }
  void AwaitWritable() override { awaiting = true; }

  std::vector<pb::WatchResponse> Take() { return std::exchange(responses, {}); }
  /// The keys and revisions of the events of a watch.
  std::string Events(std::int64_t watch) {
    std::string text;
    for (const auto& response : responses) {
      if (response.watch_id() != watch) continue;
      for (const auto& event : response.events())
        text += event.kv().key() + "@" + std::to_string(event.kv().mod_revision()) + " ";
    }
    return text;
  }

  std::vector<pb::WatchResponse> responses;
  bool slow = false, awaiting = false;
  void Drain() { queued_ = 0; }

 private:
  std::size_t queued_ = 0;
};

class WatchHubTest : public testing::Test {
 protected:
  WatchHubTest() : model_(*Model::Open(store_)) {
    EXPECT_TRUE(model_->Commit().ok());
    view_ = model_->View();
    hub_.Begin(view_);
    stream_ = hub_.Open(&sink_);
  }

  void Stage(const Command& command) {
    Outcome outcome;
    ++index_;
    // The bytes live as long as the batch, as a log entry's do.
    batch_->commands.push_back(SharedBytes::Own(EncodeCommand(command)));
    ASSERT_TRUE(model_->Apply(index_, 1, batch_->commands.back().view(), &outcome).ok());
    batch_->outcomes.push_back(std::move(outcome));
  }
  void CommitBatch(bool with_events = true) {
    ASSERT_TRUE(model_->Commit().ok());
    view_ = batch_->view = model_->View();
    batch_->has_events = with_events;
    if (!with_events) batch_->outcomes.clear();
    hub_.OnBatch(*batch_);
    batch_ = std::make_unique<CommittedBatch>();
  }
  void Put(const std::string& key, const std::string& value = "v") {
    Stage({.body = PutRequest{.key = key, .value = value}});
    CommitBatch();
  }
  void Delete(const std::string& key) {
    Stage({.body = DeleteRangeRequest{.key = key}});
    CommitBatch();
  }
  void Watch(WatchCreate create) { hub_.Create(stream_, create, view_); }
  void CatchUp() {
    while (hub_.behind()) ASSERT_TRUE(hub_.CatchUp(view_).ok());
  }

  MemoryStore store_;
  std::unique_ptr<Model> model_;
  std::uint64_t index_ = 0;
  std::unique_ptr<CommittedBatch> batch_ = std::make_unique<CommittedBatch>();
  WatchHub::View view_;
  HeaderWriter header_{1, 2};
  WatchHub hub_{&header_,
                {.queue_bytes_max = 1000, .history_changes_max = 3, .fragment_bytes_max = 100}};
  Sink sink_;
  WatchHub::StreamId stream_ = 0;
};

TEST_F(WatchHubTest, EventsOfABatchComeInOneResponseOfTheRevision) {
  Watch({.spec = {.key = "a", .end = "c", .prev_kv = true}});
  auto created = sink_.Take();
  ASSERT_EQ(created.size(), 1u);
  EXPECT_TRUE(created[0].created());
  EXPECT_EQ(created[0].watch_id(), 0);
  Stage({.body = PutRequest{.key = "a", .value = "1"}});
  Stage({.body = PutRequest{.key = "c", .value = "no"}});
  Stage({.body = PutRequest{.key = "a", .value = "2"}});
  CommitBatch();
  const auto responses = sink_.Take();
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].header().revision(), 4);
  ASSERT_EQ(responses[0].events_size(), 2);
  EXPECT_FALSE(responses[0].events(0).has_prev_kv());
  EXPECT_EQ(responses[0].events(1).prev_kv().value(), "1");
}

TEST_F(WatchHubTest, FiltersAndCancel) {
  Watch({.spec = {.key = "a", .no_put = true}, .watch_id = 5});
  Put("a");
  Delete("a");
  EXPECT_EQ(sink_.Events(5), "a@3 ");
  hub_.Cancel(stream_, {5});
  EXPECT_TRUE(sink_.responses.back().canceled());
  EXPECT_EQ(hub_.watch_count(), 0u);
  Put("a");
  Delete("a");
  EXPECT_EQ(sink_.Events(5), "a@3 ");
  hub_.Cancel(stream_, {6});
  EXPECT_EQ(sink_.responses.back().watch_id(), 5) << "of one that is unknown nothing is said";
}

TEST_F(WatchHubTest, RefusalsAreEtcds) {
  Watch({.spec = {.key = "b", .end = "a"}});
  EXPECT_EQ(sink_.responses[0].watch_id(), -1);
  EXPECT_EQ(sink_.responses[0].cancel_reason(), kWatchRangeEmpty);
  Watch({.spec = {.key = "a"}, .watch_id = 3});
  Watch({.spec = {.key = "a"}, .watch_id = 3});
  EXPECT_TRUE(sink_.responses[2].canceled());
  EXPECT_EQ(sink_.responses[2].cancel_reason(), kWatchIdTaken);
}

TEST_F(WatchHubTest, HistoryComesFirstInBoundedSteps) {
  for (int i = 0; i < 10; ++i) Put("a");
  Watch({.spec = {.key = "a", .start_revision = 3}});
  EXPECT_TRUE(hub_.behind());
  Put("a");  // while it is behind
  CatchUp();
  Put("a");
  EXPECT_EQ(sink_.Events(0), "a@3 a@4 a@5 a@6 a@7 a@8 a@9 a@10 a@11 a@12 a@13 ");
  EXPECT_GT(sink_.responses.size(), 4u) << "three changes at a time";
}

TEST_F(WatchHubTest, CompactedHistoryCancels) {
  for (int i = 0; i < 5; ++i) Put("a");
  Stage({.body = CompactRequest{4}});
  CommitBatch();
  Watch({.spec = {.key = "a", .start_revision = 2}});
  CatchUp();
  const auto& last = sink_.responses.back();
  EXPECT_TRUE(last.canceled());
  EXPECT_EQ(last.compact_revision(), 4);
  EXPECT_EQ(hub_.watch_count(), 0u);
}

TEST_F(WatchHubTest, ASlowClientStallsLosesNothingAndHoldsNobodyUp) {
  Sink other;
  const auto other_stream = hub_.Open(&other);
  hub_.Create(other_stream, {.spec = {.key = "a"}}, view_);
  sink_.slow = true;
  Watch({.spec = {.key = "a"}});
  for (int i = 0; i < 50; ++i) Put("a", std::string(100, 'x'));
  CatchUp();
  EXPECT_TRUE(sink_.awaiting);
  EXPECT_LT(sink_.responses.size(), 15u) << "the limit bounds what waits";
  EXPECT_EQ(other.responses.size(), 51u);
  hub_.Progress(stream_, view_);
  for (int i = 0; i < 100 && sink_.responses.back().watch_id() != -1; ++i) {
    sink_.Drain();
    hub_.OnWritable(stream_);
    CatchUp();
  }
  std::string all;
  for (int i = 2; i < 52; ++i) all += "a@" + std::to_string(i) + " ";
  EXPECT_EQ(sink_.Events(0), all);
  EXPECT_EQ(sink_.responses.back().watch_id(), -1) << "progress comes behind the last event";
  EXPECT_EQ(sink_.responses.back().header().revision(), 51);
}

TEST_F(WatchHubTest, ABatchWithoutItsEventsIsReadFromTheStore) {
  Watch({.spec = {.key = "a"}});
  Put("a");
  Stage({.body = PutRequest{.key = "a", .value = "2"}});
  CommitBatch(/*with_events=*/false);
  EXPECT_TRUE(hub_.behind());
  Put("a");
  CatchUp();
  Put("a");
  EXPECT_EQ(sink_.Events(0), "a@2 a@3 a@4 a@5 ");
}

TEST_F(WatchHubTest, FragmentsEndWithOneThatSaysSo) {
  Watch({.spec = {.key = "", .end = std::string(1, '\0')}, .fragment = true});
  sink_.Take();
  for (int i = 0; i < 5; ++i)
    Stage({.body = PutRequest{.key = "some", .value = std::string(60, 'x')}});
  CommitBatch();
  const auto parts = sink_.Take();
  ASSERT_EQ(parts.size(), 5u);
  for (std::size_t i = 0; i < parts.size(); ++i) EXPECT_EQ(parts[i].fragment(), i < 4);
}

TEST_F(WatchHubTest, IdleWatchesThatAskedAreNotified) {
  Watch({.spec = {.key = "a"}, .progress_notify = true});
  Watch({.spec = {.key = "a"}});
  Put("a");
  sink_.Take();
  hub_.NotifyIdle();
  EXPECT_TRUE(sink_.Take().empty()) << "they were sent something";
  Put("b");
  hub_.NotifyIdle();
  const auto notified = sink_.Take();
  ASSERT_EQ(notified.size(), 1u);
  EXPECT_EQ(notified[0].watch_id(), 0);
  EXPECT_EQ(notified[0].header().revision(), 3);
}

/// Whatever happens in between, each watch gets every event of its range from its start on, once,
/// in order.
TEST_F(WatchHubTest, RandomWatchesSeeAllOnceInOrder) {
  Random random(7);
  struct Seen {
    std::int64_t start;
    std::string key;
  };
  std::map<std::int64_t, Seen> watches;
  std::vector<std::pair<std::int64_t, std::string>> history;
  for (int step = 0; step < 3000; ++step) {
    const std::int64_t revision = view_->meta().revision;
    switch (random.Below(8)) {
      case 0: {
        if (watches.size() > 30) break;
        const std::string key(1, static_cast<char>('a' + random.Below(3)));
        const auto start = static_cast<std::int64_t>(1 + random.Below(revision + 3));
        const std::int64_t id = static_cast<std::int64_t>(watches.size()) + 1;
        watches[id] = {start, key};
        Watch({.spec = {.key = key, .start_revision = start}, .watch_id = id});
        break;
      }
      case 1:
        sink_.slow = !sink_.slow;
        break;
      case 2:
        sink_.Drain();
        hub_.OnWritable(stream_);
        break;
      case 3:
        if (hub_.behind()) ASSERT_TRUE(hub_.CatchUp(view_).ok());
        break;
      default:
        for (std::uint64_t n = 1 + random.Below(3); n > 0; --n) {
          const std::string key(1, static_cast<char>('a' + random.Below(3)));
          Stage({.body = PutRequest{.key = key, .value = "v"}});
          history.emplace_back(revision + static_cast<std::int64_t>(batch_->outcomes.size()), key);
        }
        CommitBatch(!random.OneIn(10));
    }
  }
  sink_.slow = false;
  hub_.OnWritable(stream_);
  CatchUp();
  for (const auto& [id, watch] : watches) {
    std::string expected;
    for (const auto& [at, key] : history)
      if (at >= watch.start && key == watch.key) expected += key + "@" + std::to_string(at) + " ";
    EXPECT_EQ(sink_.Events(id), expected) << "watch " << id << " from " << watch.start;
  }
}

}  // namespace
}  // namespace trireme::kv::inline engine
