#include "kv/server/leader_sequence.h"

#include <memory>
#include <string>
#include <utility>

#include "gtest/gtest.h"
#include "kv/model/command_codec.h"
#include "kv/model/model.h"
#include "kv/store/memory_store.h"

namespace trireme::kv::inline engine {
namespace {

class LeaderSequenceTest : public testing::Test {
 protected:
  LeaderSequenceTest() : model_(*Model::Open(store_)) { Commit(); }

  /// The events of what `command` did, as the server hands them on after the commit.
  void Apply(const Command& command) {
    Outcome outcome;
    const std::string bytes = EncodeCommand(command);
    ASSERT_TRUE(model_->Apply(++index_, 1, bytes, &outcome).ok());
    Commit();
    if (paused_) return;
    for (const Event& event : outcome.events) {
      if (!event.kv.key.starts_with("e/")) continue;
      ASSERT_TRUE(sequence_.OnEvent(event.type, KeyValue::Of(event.kv), *view_).ok());
    }
  }
  void Put(const std::string& key, const std::string& value) {
    Apply({.body = PutRequest{.key = key, .value = value}});
  }
  void Delete(const std::string& key) { Apply({.body = DeleteRangeRequest{.key = key}}); }
  void Restart() { ASSERT_TRUE(sequence_.Restart(*view_).ok()); }
  std::string Told() { return std::exchange(told_, ""); }

  bool paused_ = false;

 private:
  void Commit() {
    EXPECT_TRUE(model_->Commit().ok());
    view_ = model_->View();
  }

  MemoryStore store_;
  std::unique_ptr<Model> model_;
  std::uint64_t index_ = 0;
  std::shared_ptr<const ReadView> view_;
  std::string told_;
  LeaderSequence sequence_{"e/", [this](const KeyValue& kv) { told_ += kv.value + " "; }};
};

TEST_F(LeaderSequenceTest, EveryValueOfTheLeader) {
  Put("e/1", "a");
  Restart();
  EXPECT_EQ(Told(), "a ");
  Put("e/1", "b");
  Put("other", "x");
  Put("e/1", "c");
  Put("e/2", "not elected");
  EXPECT_EQ(Told(), "b c ");
}

TEST_F(LeaderSequenceTest, TheNextOneAfterTheEnd) {
  Put("e/1", "a");
  Put("e/2", "b");
  Restart();
  Delete("e/1");
  EXPECT_EQ(Told(), "a b ");
  Delete("e/2");
  Put("e/3", "c");
  Put("e/4", "not elected");
  EXPECT_EQ(Told(), "c ");
  Delete("e/4");
  EXPECT_EQ(Told(), "");
}

TEST_F(LeaderSequenceTest, TheNewestAfterMissedEventsAndNothingTwice) {
  Put("e/1", "a");
  Restart();
  Restart();
  EXPECT_EQ(Told(), "a ");
  paused_ = true;
  Put("e/1", "missed");
  Put("e/1", "b");
  Restart();
  EXPECT_EQ(Told(), "b ");
}

}  // namespace
}  // namespace trireme::kv::inline engine
