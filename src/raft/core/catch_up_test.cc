#include "raft/core/catch_up.h"

#include "gtest/gtest.h"

namespace trireme::raft {
namespace {

constexpr NodeId kNewcomer{7};

Config MakeConfig() {
  Config config;
  config.election_ticks = 10;
  config.promotion_lag_max = 5;
  config.promotion_rounds_max = 3;
  config.promotion_idle_ticks_max = 50;
  return config;
}

Progress At(std::uint64_t match) {
  Progress peer;
  peer.id = kNewcomer;
  peer.match = Index{match};
  return peer;
}

TEST(CatchUp, ARoundShorterThanAnElectionTimeoutIsEnough) {
  CatchUp newcomer(kNewcomer, Index{1000}, 0);
  EXPECT_EQ(newcomer.Look(At(999), Index{2000}, 9, MakeConfig()), CatchUp::Stage::kGoing);
  EXPECT_EQ(newcomer.Look(At(1000), Index{2000}, 9, MakeConfig()), CatchUp::Stage::kReady);
  EXPECT_EQ(newcomer.Look(At(1000), Index{9000}, 99, MakeConfig()), CatchUp::Stage::kReady)
      << "once ready, always";
}

TEST(CatchUp, ALongRoundIsFollowedByAnother) {
  CatchUp newcomer(kNewcomer, Index{1000}, 0);
  EXPECT_EQ(newcomer.Look(At(1000), Index{2000}, 40, MakeConfig()), CatchUp::Stage::kGoing);
  EXPECT_EQ(newcomer.Look(At(1999), Index{2010}, 45, MakeConfig()), CatchUp::Stage::kGoing);
  EXPECT_EQ(newcomer.Look(At(2000), Index{2010}, 49, MakeConfig()), CatchUp::Stage::kReady);
}

TEST(CatchUp, WhoLacksLittleIsReadyAfterALongRoundToo) {
  CatchUp newcomer(kNewcomer, Index{1000}, 0);
  EXPECT_EQ(newcomer.Look(At(1000), Index{1005}, 40, MakeConfig()), CatchUp::Stage::kReady);
}

TEST(CatchUp, RoundsAreLimited) {
  CatchUp newcomer(kNewcomer, Index{1000}, 0);
  EXPECT_EQ(newcomer.Look(At(1000), Index{2000}, 40, MakeConfig()), CatchUp::Stage::kGoing);
  EXPECT_EQ(newcomer.Look(At(2000), Index{3000}, 80, MakeConfig()), CatchUp::Stage::kGoing);
  EXPECT_EQ(newcomer.Look(At(3000), Index{4000}, 120, MakeConfig()), CatchUp::Stage::kTooSlow);
}

TEST(CatchUp, EveryStepForwardGrantsTime) {
  CatchUp newcomer(kNewcomer, Index{1000}, 0);
  Progress peer = At(0);
  peer.BecomeSendSnapshot({});
  EXPECT_EQ(newcomer.Look(peer, Index{1000}, 49, MakeConfig()), CatchUp::Stage::kGoing);
  std::get<SendSnapshot>(peer.state).offset = 100;
  EXPECT_EQ(newcomer.Look(peer, Index{1000}, 49, MakeConfig()), CatchUp::Stage::kGoing);
  EXPECT_EQ(newcomer.Look(peer, Index{1000}, 98, MakeConfig()), CatchUp::Stage::kGoing);
  EXPECT_EQ(newcomer.Look(At(10), Index{1000}, 98, MakeConfig()), CatchUp::Stage::kGoing);
  EXPECT_EQ(newcomer.Look(At(10), Index{1000}, 147, MakeConfig()), CatchUp::Stage::kGoing);
  EXPECT_EQ(newcomer.Look(At(10), Index{1000}, 148, MakeConfig()), CatchUp::Stage::kStandsStill);
}

}  // namespace
}  // namespace trireme::raft
