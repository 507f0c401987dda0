#include "raft/core/tickets.h"

#include "gtest/gtest.h"

namespace trireme::raft {
namespace {

Entry MakeEntry(std::uint64_t index, std::uint64_t term) {
  return {Index{index}, Term{term}, EntryKind::kCommand, {}};
}

/// A log of five entries of term 2, all proposed here under their index as ticket.
class TicketsTest : public testing::Test {
 protected:
  TicketsTest() {
    for (std::uint64_t i = 1; i <= 5; ++i) {
      log_.Append(MakeEntry(i, 2));
      tickets_.Add({Index{i}, Term{2}}, Ticket{i});
    }
  }
  void TruncateFrom(std::uint64_t index) {
    tickets_.Truncate({Index{index}, *log_.TermAt(Index{index})});
    log_.TruncateFrom(Index{index});
  }
  void Decide(std::uint64_t committed) {
    mine_.clear();
    lost_.clear();
    tickets_.Decide(Index{committed}, log_, &mine_, &lost_);
  }
  std::vector<std::uint64_t> Mine() const {
    std::vector<std::uint64_t> tickets;
    for (const auto& mine : mine_) tickets.push_back(mine.ticket.value);
    return tickets;
  }

  LogView log_{LogPosition{}};
  Tickets tickets_;
  std::vector<Committed::Mine> mine_;
  std::vector<Lost> lost_;
};

using Numbers = std::vector<std::uint64_t>;

TEST_F(TicketsTest, EndAsTheirEntriesCommit) {
  Decide(3);
  EXPECT_EQ(Mine(), (Numbers{1, 2, 3}));
  Decide(5);
  EXPECT_EQ(Mine(), (Numbers{4, 5}));
  EXPECT_TRUE(tickets_.empty());
}

TEST_F(TicketsTest, AreLostForCertainWhenAnotherEntryCommits) {
  TruncateFrom(3);
  log_.Append(MakeEntry(3, 4));
  Decide(2);
  EXPECT_TRUE(lost_.empty()) << "the other entry may itself be replaced yet";
  Decide(3);
  ASSERT_EQ(lost_.size(), 3u);
  for (const Lost& lost : lost_) {
    EXPECT_EQ(lost.kind, lost.ticket == Ticket{3} ? LostKind::kReplaced : LostKind::kAbandoned);
  }
  EXPECT_TRUE(tickets_.empty());
}

TEST_F(TicketsTest, CommitAfterAllWhenAnotherLeaderBringsTheEntriesBack) {
  TruncateFrom(3);
  log_.Append(MakeEntry(3, 4));
  TruncateFrom(3);
  log_.Append(MakeEntry(3, 2));
  log_.Append(MakeEntry(4, 2));
  log_.Append(MakeEntry(5, 6));
  Decide(5);
  EXPECT_EQ(Mine(), (Numbers{1, 2, 3, 4}));
  ASSERT_EQ(lost_.size(), 1u);
  EXPECT_EQ(lost_[0].kind, LostKind::kReplaced);
}

TEST_F(TicketsTest, AreUnknownUnderASnapshot) {
  tickets_.ReplaceBy(Index{3}, /*kept=*/true, &lost_);
  ASSERT_EQ(lost_.size(), 3u);
  EXPECT_EQ(lost_[0].kind, LostKind::kUnknown);
  Decide(5);
  EXPECT_EQ(Mine(), (Numbers{4, 5}));
}

TEST_F(TicketsTest, AboveAConflictingSnapshotAreAbandoned) {
  tickets_.ReplaceBy(Index{3}, /*kept=*/false, &lost_);
  ASSERT_EQ(lost_.size(), 5u);
  EXPECT_EQ(lost_[4].kind, LostKind::kAbandoned);
  EXPECT_TRUE(tickets_.empty());
}

}  // namespace
}  // namespace trireme::raft
