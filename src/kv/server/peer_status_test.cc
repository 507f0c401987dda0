#include "kv/server/peer_status.h"

#include <gtest/gtest.h>

namespace trireme::kv::inline engine {
namespace {

PeerStatus Some() {
  PeerStatus status = {.cluster_id = 1, .member = 7, .role = raft::RoleName::kLeader, .term = 3};
  status.leader = 7;
  status.commit = 100;
  status.applied = 99;
  status.revision = 42;
  status.store_bytes = 1 << 20;
  status.elections = {{1000, 7, 2, raft::RoleName::kFollower, 8},
                      {2000, 7, 3, raft::RoleName::kCandidate, 0},
                      {2001, 7, 3, raft::RoleName::kLeader, 7}};
  return status;
}

TEST(PeerStatusTest, ComesBackAsItWas) {
  const auto again = DecodePeerStatus(Encode(Some()));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->cluster_id, 1u);
  EXPECT_EQ(again->member, 7u);
  EXPECT_EQ(again->role, raft::RoleName::kLeader);
  EXPECT_EQ(again->term, 3u);
  EXPECT_EQ(again->leader, 7u);
  EXPECT_EQ(again->commit, 100u);
  EXPECT_EQ(again->applied, 99u);
  EXPECT_EQ(again->revision, 42);
  EXPECT_EQ(again->store_bytes, 1u << 20);
  EXPECT_EQ(again->elections, Some().elections);
}

TEST(PeerStatusTest, WhatIsCutOffOrTooMuchIsNone) {
  const std::string bytes = Encode(Some());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(DecodePeerStatus(bytes.substr(0, size))) << size;
  EXPECT_FALSE(DecodePeerStatus(bytes + "x"));
  PeerStatus many = Some();
  many.elections.resize(kPeerElectionsMax + 1);
  EXPECT_FALSE(DecodePeerStatus(Encode(many)));
  std::string strange = bytes;
  strange[17] = 4;  // A role that there is not.
  EXPECT_FALSE(DecodePeerStatus(strange));
}

TEST(ElectionLogTest, KeepsTheNewest) {
  ElectionLog log;
  for (std::uint64_t term = 1; term <= kElectionsKept + 10; ++term)
    log.Note(7, {raft::Term{term}, raft::NodeId{0}, false, raft::RoleName::kCandidate});
  EXPECT_EQ(log.version(), kElectionsKept + 10);
  const auto newest = log.Newest(3);
  ASSERT_EQ(newest.size(), 3u);
  EXPECT_EQ(newest.back().term, kElectionsKept + 10);
  EXPECT_EQ(newest.front().term, kElectionsKept + 8);
  EXPECT_EQ(newest.back().role, raft::RoleName::kCandidate);
  EXPECT_EQ(log.Newest(1000).size(), kElectionsKept);
}

}  // namespace
}  // namespace trireme::kv::inline engine
