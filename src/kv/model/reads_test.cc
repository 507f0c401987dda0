// What reads cost the store, counted in moves of its iterators.
#include "kv/model/reads.h"

#include <gtest/gtest.h>

#include "fmt/format.h"
#include "kv/model/model.h"
#include "kv/model/test_store.h"

namespace trireme::kv::inline engine {
namespace {

class ReadsTest : public testing::Test {
 protected:
  Outcome Apply(const Command& command) {
    Outcome outcome;
    EXPECT_TRUE(model_->Apply(model_->applied_index() + 1, 1, command, &outcome).ok());
    EXPECT_TRUE(model_->Commit().ok());
    return outcome;
  }
  void Put(std::string_view key) { Apply({.body = PutRequest{.key = key, .value = "value"}}); }

  TestStore store_;
  std::unique_ptr<Model> model_ = *Model::Open(store_);
};

TEST_F(ReadsTest, ARangePassesAKeysOlderVersionsInAStepAndASeek) {
  constexpr std::size_t kKeys = 50, kVersions = 20;
  for (std::size_t i = 0; i < kKeys * kVersions; ++i) Put(fmt::format("{:02}", i % kKeys));
  const auto view = model_->View();
  const std::size_t before = store_.moves();
  RangeSummary summary;
  const auto none = [](const KeyValueView&) {};
  ASSERT_TRUE(view->Range({.key = kFromKey, .end = kFromKey}, none, &summary).ok());
  EXPECT_EQ(summary.count, std::int64_t{kKeys});
  EXPECT_LE(store_.moves() - before, 1 + 2 * kKeys);
}

Command PutIfRevisionIs(std::string_view key, std::int64_t revision) {
  TxnRequest txn;
  txn.compares.push_back({.target = CompareTarget::kMod, .key = key, .number = revision});
  txn.success.push_back({PutRequest{.key = key, .value = "other"}});
  return {.body = std::move(txn)};
}

TEST_F(ReadsTest, ACompareAndPutOfWhatWasWrittenLatelyReadsNoStore) {
  Put("key");
  const std::size_t before = store_.moves();
  for (int i = 0; i < 5; ++i) {
    const Outcome outcome = Apply(PutIfRevisionIs("key", model_->meta().revision));
    EXPECT_TRUE(std::get<TxnResult>(outcome.result).succeeded);
  }
  EXPECT_FALSE(std::get<TxnResult>(Apply(PutIfRevisionIs("key", 2)).result).succeeded);
  EXPECT_EQ(store_.moves(), before);
}

TEST_F(ReadsTest, ACompareSeesWhatIsGone) {
  Put("key");
  Apply({.body = DeleteRangeRequest{.key = "key"}});
  EXPECT_FALSE(std::get<TxnResult>(Apply(PutIfRevisionIs("key", 2)).result).succeeded);
  EXPECT_TRUE(std::get<TxnResult>(Apply(PutIfRevisionIs("key", 0)).result).succeeded);
}

}  // namespace
}  // namespace trireme::kv::inline engine
