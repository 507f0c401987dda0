#include "raft/core/durability.h"

#include "gtest/gtest.h"

namespace trireme::raft {
namespace {

TEST(Durability, CountsABatchWhenItIsComplete) {
  Durability durability(Index{3});
  EXPECT_EQ(durability.AfterLog(Index{3}), kNothing);
  const Token building = durability.building();
  EXPECT_EQ(durability.AfterLog(Index{5}), building);
  EXPECT_EQ(durability.Seal(Index{5}), building);
  EXPECT_EQ(durability.AfterLog(Index{5}), building);
  EXPECT_EQ(durability.durable(), Index{3});
  durability.Complete(building);
  EXPECT_EQ(durability.durable(), Index{5});
  EXPECT_EQ(durability.AfterLog(Index{5}), kNothing);
}

/// Entries 4 to 9 are being written when 7 to 9 are replaced by others. That the first write
/// completes says nothing of the others.
TEST(Durability, ATruncatedBatchDoesNotCountForWhatReplacedIt) {
  Durability durability(Index{3});
  const Token first = durability.Seal(Index{9});
  durability.TruncateFrom(Index{7});
  const Token second = durability.Seal(Index{9});
  EXPECT_EQ(durability.AfterLog(Index{6}), first);
  EXPECT_EQ(durability.AfterLog(Index{7}), second);
  durability.Complete(first);
  EXPECT_EQ(durability.durable(), Index{6});
  durability.Complete(second);
  EXPECT_EQ(durability.durable(), Index{9});
}

TEST(Durability, TruncationTakesBackWhatWasDurable) {
  Durability durability(Index{9});
  durability.TruncateFrom(Index{5});
  EXPECT_EQ(durability.durable(), Index{4});
  EXPECT_EQ(durability.unsealed_first(), Index{5});
}

TEST(Durability, MessagesWaitForTheHardState) {
  Durability durability(Index{0});
  EXPECT_EQ(durability.AfterHardState(), kNothing);
  durability.ChangeHardState();
  const Token token = durability.building();
  EXPECT_TRUE(durability.hard_state_changed());
  EXPECT_EQ(durability.AfterHardState(), token);
  durability.Seal(Index{0});
  EXPECT_FALSE(durability.hard_state_changed());
  EXPECT_EQ(durability.AfterHardState(), token);
  durability.Complete(token);
  EXPECT_EQ(durability.AfterHardState(), kNothing);
}

TEST(Durability, ASnapshotIsDurableWithItsBatch) {
  Durability durability(Index{4});
  durability.ReplaceBy(Index{20}, /*kept=*/false, Index{2});
  EXPECT_EQ(durability.durable(), Index{2});
  const Token token = durability.Seal(Index{20});
  EXPECT_EQ(durability.AfterLog(Index{20}), token);
  durability.Complete(token);
  EXPECT_EQ(durability.durable(), Index{20});
}

TEST(Durability, ATokenOfTheFutureCompletesNothingMore) {
  Durability durability(Index{0});
  durability.Seal(Index{1});
  durability.Complete(Token{1000});
  EXPECT_FALSE(durability.IsComplete(durability.building()));
}

}  // namespace
}  // namespace trireme::raft
