#include "raft/core/progress.h"

#include "gtest/gtest.h"

namespace trireme::raft {
namespace {

TEST(Inflight, IsFullByCountOrBytesButLetsOneGo) {
  Inflight inflight;
  EXPECT_FALSE(inflight.Full(1, 1));
  inflight.Add(Index{5}, 100);
  EXPECT_TRUE(inflight.Full(1, 1000));
  EXPECT_TRUE(inflight.Full(9, 100));
  EXPECT_FALSE(inflight.Full(0, 0)) << "0 is no limit";
  EXPECT_FALSE(inflight.Full(2, 101));
  inflight.FreeTo(Index{4});
  EXPECT_FALSE(inflight.empty());
  inflight.FreeTo(Index{5});
  EXPECT_TRUE(inflight.empty());
  EXPECT_FALSE(inflight.Full(1, 1));
}

TEST(Progress, ReplicatesOnceAProbeIsAccepted) {
  Progress peer;
  peer.BecomeProbe(Index{10});
  peer.Sent(Index{12}, 30, 1);
  EXPECT_EQ(peer.next, Index{10}) << "a probe waits for its answer";
  EXPECT_TRUE(peer.Accept(Index{12}));
  EXPECT_TRUE(peer.replicating());
  EXPECT_EQ(peer.next, Index{13});
}

TEST(Progress, RunsAheadWhileReplicating) {
  Progress peer;
  peer.Accept(Index{3});
  peer.Sent(Index{5}, 20, 1);
  peer.Sent(Index{9}, 40, 1);
  EXPECT_EQ(peer.next, Index{10});
  EXPECT_EQ(peer.match, Index{3});
  EXPECT_TRUE(peer.Accept(Index{9}));
  EXPECT_TRUE(peer.inflight.empty());
  EXPECT_FALSE(peer.Accept(Index{5})) << "an answer out of date";
}

TEST(Progress, GoesBackToWhatMayFitOnRejection) {
  Progress peer;
  peer.BecomeProbe(Index{50});
  EXPECT_FALSE(peer.Reject(Index{30}, Index{20})) << "of an older probe";
  EXPECT_TRUE(peer.Reject(Index{49}, Index{20}));
  EXPECT_EQ(peer.next, Index{21});
  peer.Accept(Index{20});
  peer.Sent(Index{60}, 10, 1);
  EXPECT_FALSE(peer.Reject(Index{20}, Index{5})) << "what is known to match is never asked again";
  EXPECT_TRUE(peer.Reject(Index{60}, Index{5}));
  EXPECT_EQ(peer.next, Index{21});
  EXPECT_STREQ(peer.StateName(), "probe");
}

TEST(Progress, LeavesTheSnapshotWhenItIsThere) {
  Progress peer;
  SnapshotMeta snapshot;
  snapshot.last = {Index{100}, Term{2}};
  peer.BecomeSendSnapshot(snapshot);
  EXPECT_TRUE(peer.Accept(Index{50}));
  EXPECT_TRUE(peer.sending_snapshot());
  EXPECT_TRUE(peer.Accept(Index{100}));
  EXPECT_TRUE(peer.replicating());
  EXPECT_EQ(peer.next, Index{101});
}

}  // namespace
}  // namespace trireme::raft
