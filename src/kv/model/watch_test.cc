// Watches against the list of all events there ever were.
#include "kv/model/watch.h"

#include <gtest/gtest.h>

#include <set>

#include "kv/model/model.h"
#include "kv/model/test_describe.h"
#include "kv/model/test_requests.h"
#include "kv/model/test_store.h"

namespace trireme::kv::inline engine {
namespace {

struct Told {
  EventType type;
  KeyValue kv;
};

bool Wanted(const WatchSpec& spec, const Told& event) {
  if (event.type == EventType::kPut ? spec.no_put : spec.no_delete) return false;
  const std::string key = spec.key.empty() ? std::string(1, '\0') : spec.key;
  if (spec.end.empty()) return event.kv.key == key;
  return event.kv.key >= key && (spec.end == kFromKey || event.kv.key < spec.end);
}

WatchSpec RandomSpec(RandomRequests& requests) {
  WatchSpec spec = {std::string(requests.Key()), std::string(requests.End())};
  if (requests.random().OneIn(10)) spec.key.clear();
  spec.no_put = requests.random().OneIn(5);
  spec.no_delete = requests.random().OneIn(5);
  spec.prev_kv = requests.random().OneIn(2);
  return spec;
}

/// A model that is fed random commands, and all that it told.
class WatchTest : public ::testing::Test {
 protected:
  void Start(std::uint64_t seed) {
    store_ = std::make_unique<TestStore>();
    model_ = *Model::Open(*store_);
    requests_ = std::make_unique<RandomRequests>(seed);
    told_.clear();
  }

  std::vector<Event> Step(Outcome* outcome) {
    command_ = requests_->Any(model_->meta().revision, model_->meta().compacted);
    EXPECT_TRUE(model_->Apply(model_->applied_index() + 1, 1, command_, outcome).ok());
    EXPECT_TRUE(model_->Commit().ok());
    for (const Event& event : outcome->events)
      told_.push_back({event.type, KeyValue::Of(event.kv)});
    return outcome->events;
  }

  std::vector<std::string> Expected(const WatchSpec& spec, std::int64_t from) const {
    std::vector<std::string> events;
    for (const Told& one : told_)
      if (one.kv.mod_revision >= from && Wanted(spec, one))
        events.push_back(Text(one.type, one.kv));
    return events;
  }

  static std::string Text(EventType type, const KeyValue& kv) {
    return (type == EventType::kPut ? "put " : "delete ") + Describe(kv);
  }

  std::unique_ptr<TestStore> store_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<RandomRequests> requests_;
  std::vector<Told> told_;
  Command command_;
};

TEST_F(WatchTest, HistoryIsWhatWasToldInWholeRevisions) {
  for (std::uint64_t seed = 0; seed < 60 && !HasFailure(); ++seed) {
    Start(seed);
    for (int i = 0; i < 80; ++i) {
      Outcome outcome;
      Step(&outcome);
      ASSERT_TRUE(model_->Sweep(2).ok());
    }
    ASSERT_TRUE(model_->Commit().ok());
    const auto view = model_->View();
    const std::int64_t current = view->meta().revision, compacted = view->meta().compacted;
    for (int i = 0; i < 20; ++i) {
      const WatchSpec spec = RandomSpec(*requests_);
      // One past the compaction, as events of its own revision may have been replaced within it.
      const std::int64_t from = std::max<std::int64_t>(compacted + 1, 1) +
                                static_cast<std::int64_t>(requests_->random().Below(4));
      std::vector<std::string> events;
      for (std::int64_t next = from; next <= current;) {
        History history;
        ASSERT_TRUE(ReadHistory(*view, spec, next, requests_->random().Below(6),
                                1 + requests_->random().Below(9), &history)
                        .ok());
        ASSERT_FALSE(history.compacted);
        ASSERT_GT(history.next, next);
        for (const WatchEvent& event : history.events) {
          EXPECT_LT(event.kv.mod_revision, history.next);
          EXPECT_GE(event.kv.mod_revision, next);
          events.push_back(Text(event.type, event.kv));
          if (!spec.prev_kv) {
            EXPECT_FALSE(event.prev.has_value());
          }
        }
        next = history.next;
      }
      EXPECT_EQ(events, Expected(spec, from));
    }
    History history;
    ASSERT_TRUE(ReadHistory(*view, {.key = "a"}, compacted - 1, 1, 1, &history).ok());
    EXPECT_TRUE(history.compacted);
  }
}

TEST_F(WatchTest, AMatchIsWhatWasWanted) {
  for (std::uint64_t seed = 0; seed < 60 && !HasFailure(); ++seed) {
    Start(seed);
    WatchIndex index;
    std::map<WatchId, std::pair<WatchSpec, std::int64_t>> watches;
    for (WatchId id = 1; id < 150; ++id) {
      Random& random = requests_->random();
      const WatchSpec spec = RandomSpec(*requests_);
      const auto next = model_->meta().revision + static_cast<std::int64_t>(random.Below(4));
      if (!EmptyRange(spec)) {
        index.Add(id, spec, next);
        watches[id] = {spec, next};
      }
      const WatchId victim = random.Below(id + 1);
      EXPECT_EQ(index.Remove(victim), watches.erase(victim) == 1);
      EXPECT_EQ(index.size(), watches.size());
      Outcome outcome;
      for (const Event& event : Step(&outcome)) {
        std::set<WatchId> found, wanted;
        index.Match(event, [&](WatchId one) { EXPECT_TRUE(found.insert(one).second); });
        for (const auto& [watch, of] : watches)
          if (event.kv.mod_revision >= of.second &&
              Wanted(of.first, {event.type, KeyValue::Of(event.kv)}))
            wanted.insert(watch);
        EXPECT_EQ(found, wanted);
      }
    }
  }
}

TEST(Watch, PrevKvIsTheStateOneRevisionBefore) {
  TestStore store;
  auto model = *Model::Open(store);
  const auto apply = [&](const Command& command) {
    Outcome outcome;
    ASSERT_TRUE(model->Apply(model->applied_index() + 1, 1, command, &outcome).ok());
    ASSERT_TRUE(model->Commit().ok());
  };
  apply({.body = PutRequest{.key = "k", .value = "1"}});
  apply({.body = PutRequest{.key = "k", .value = "2"}});
  apply({.body = DeleteRangeRequest{.key = "k"}});
  History history;
  const WatchSpec spec = {.key = "k", .prev_kv = true};
  ASSERT_TRUE(ReadHistory(*model->View(), spec, 1, 1 << 20, 100, &history).ok());
  ASSERT_EQ(history.events.size(), 3u);
  EXPECT_FALSE(history.events[0].prev.has_value());
  EXPECT_EQ(history.events[1].prev->value, "1");
  EXPECT_EQ(history.events[2].prev->value, "2");
  apply({.body = CompactRequest{4}});
  ASSERT_TRUE(ReadHistory(*model->View(), spec, 4, 1 << 20, 100, &history).ok());
  ASSERT_EQ(history.events.size(), 1u);  // the state before the delete can no longer be read
  EXPECT_FALSE(history.events[0].prev.has_value());
}

TEST(Watch, StartsWhereItAsks) {
  EXPECT_EQ(StartOf({.key = "k"}, 7).next, 8);
  EXPECT_FALSE(StartOf({.key = "k"}, 7).behind);
  EXPECT_TRUE(StartOf({.key = "k", .start_revision = 7}, 7).behind);
  EXPECT_FALSE(StartOf({.key = "k", .start_revision = 9}, 7).behind);
  EXPECT_TRUE(EmptyRange({.key = "k", .end = "k"}));
  EXPECT_FALSE(EmptyRange({.key = "k", .end = std::string(kFromKey)}));
}

}  // namespace
}  // namespace trireme::kv::inline engine
