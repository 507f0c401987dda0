#include "sim/sharded/core/clerk.h"

#include <string>

#include "gtest/gtest.h"

namespace trireme::sim::sharded {
namespace {

using Outcome = Clerk::Outcome;

class ClerkTest : public testing::Test {
 protected:
  ClerkTest() : clerk_({100}) { config_ = *ShardConfig().With({{GroupId{1}, {1, 2, 3}}}, {}); }

  Call TheCall() {
    std::vector<Call> calls = clerk_.TakeCalls();
    EXPECT_EQ(calls.size(), 1u);
    return calls.empty() ? Call{} : std::move(calls[0]);
  }
  void Answer(const Call& call, Result result, bool maybe = false) {
    clerk_.Step({call.id, true, maybe, std::move(result)});
  }
  void TellConfig() {
    const Call call = TheCall();
    EXPECT_EQ(call.group, kStore);
    Answer(call, {Code::kOk, config_.Encode(), 1});
  }
  /// A put of version 3 on its way to group 1.
  Call BeginPut() {
    clerk_.Begin(Put{"k", "x", 3});
    TellConfig();
    return TheCall();
  }

  ShardConfig config_;
  Clerk clerk_;
};

TEST_F(ClerkTest, AsksTheGroupThatServesTheKey) {
  clerk_.Begin(Get{"k"});
  TellConfig();
  const Call call = TheCall();
  EXPECT_EQ(call.group, GroupId{1});
  Answer(call, {Code::kOk, "x", 3});
  EXPECT_TRUE(clerk_.idle());
  EXPECT_EQ(clerk_.done().value, "x");
  clerk_.Begin(Get{"k"});
  EXPECT_EQ(TheCall().group, GroupId{1}) << "it knows the configuration by now";
}

TEST_F(ClerkTest, TheWrongGroupSendsItToTheNextConfiguration) {
  const Call before = BeginPut();
  config_ = *config_.With({{GroupId{2}, {4, 5, 6}}}, {GroupId{1}});
  Answer(before, {Code::kWrongGroup, "", 0});
  TellConfig();
  const Call after = TheCall();
  EXPECT_EQ(after.group, GroupId{2});
  EXPECT_EQ(after.servers, (std::vector<ServerId>{4, 5, 6}));
  Answer(after, {Code::kWrongVersion, "", 0});
  EXPECT_EQ(clerk_.done().outcome, Outcome::kWrongVersion) << "nothing was left unanswered";
}

TEST_F(ClerkTest, SilenceMakesItAskForTheConfiguration) {
  clerk_.Step({BeginPut().id, false, true, {}});
  const Call call = TheCall();
  EXPECT_EQ(call.group, kStore);
  EXPECT_GT(call.wait_ms, 0u);
  EXPECT_FALSE(clerk_.idle());
}

TEST_F(ClerkTest, AfterSilenceOnlySuccessIsCertain) {
  for (const Code code : {Code::kWrongVersion, Code::kNoKey, Code::kOk}) {
    Clerk clerk({100});
    std::swap(clerk, clerk_);
    clerk_.Step({BeginPut().id, false, true, {}});
    TellConfig();
    Answer(TheCall(), {code, "", 4});
    EXPECT_EQ(clerk_.done().outcome, code == Code::kOk ? Outcome::kOk : Outcome::kMaybe);
  }
}

TEST_F(ClerkTest, AnAttemptWithinTheCallCountsToo) {
  Answer(BeginPut(), {Code::kWrongVersion, "", 0}, true);
  EXPECT_EQ(clerk_.done().outcome, Outcome::kMaybe);
}

TEST_F(ClerkTest, AGetIsNeverUncertain) {
  clerk_.Begin(Get{"k"});
  TellConfig();
  Answer(TheCall(), {Code::kNoKey, "", 0}, true);
  EXPECT_EQ(clerk_.done().outcome, Outcome::kNoKey);
}

TEST(Attempts, GoRoundUntilSomebodyLeads) {
  Attempts attempts({1, 2, 3}, 0);
  EXPECT_EQ(attempts.target(), 1u);
  attempts.OnRefused(3);
  EXPECT_EQ(attempts.target(), 3u);
  attempts.OnRefused(0);
  EXPECT_EQ(attempts.target(), 1u);
  attempts.OnRefused(1);
  EXPECT_EQ(attempts.target(), 2u) << "one that names itself does not lead either";
  EXPECT_FALSE(attempts.maybe());
  attempts.OnNoAnswer();
  EXPECT_TRUE(attempts.maybe());
  EXPECT_FALSE(attempts.over());
  attempts.OnRefused(9);
  attempts.OnRefused(9);
  EXPECT_TRUE(attempts.over());
}

TEST(Attempts, BeginWithWhoLedLast) {
  EXPECT_EQ(Attempts({1, 2, 3}, 2).target(), 2u);
  EXPECT_EQ(Attempts({1, 2, 3}, 9).target(), 1u);
}

}  // namespace
}  // namespace trireme::sim::sharded
