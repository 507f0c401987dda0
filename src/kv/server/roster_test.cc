#include "kv/server/roster.h"

#include <gtest/gtest.h>

#include "kv/model/model.h"
#include "kv/store/memory_store.h"

namespace trireme::kv::inline engine {
namespace {

TEST(RosterTest, NotesComeBackAsTheyWere) {
  const PeerNote peer = {true, {"http://a:1", "http://b:2"}};
  const auto peer_again = DecodePeerNote(Encode(peer));
  ASSERT_TRUE(peer_again);
  EXPECT_EQ(peer_again->peer_urls, peer.peer_urls);
  EXPECT_TRUE(peer_again->learner);
  const AttributesNote own = {"name", {"http://c:3"}};
  const auto own_again = DecodeAttributesNote(Encode(own));
  ASSERT_TRUE(own_again);
  EXPECT_EQ(own_again->name, "name");
  EXPECT_EQ(own_again->client_urls, own.client_urls);
}

/// Every beginning of a sound note is none.
TEST(RosterTest, NotesThatAreCutOffAreNone) {
  const std::string peer = Encode(PeerNote{false, {"http://a:1"}});
  for (std::size_t size = 0; size < peer.size(); ++size)
    EXPECT_FALSE(DecodePeerNote(peer.substr(0, size))) << size;
  EXPECT_FALSE(DecodePeerNote(peer + "x"));
  EXPECT_FALSE(DecodePeerNote("\1\2\0"));
  EXPECT_FALSE(DecodeAttributesNote("\2"));
}

TEST(RosterTest, MembersOfRaftWithWhatIsSaidOfThem) {
  MemoryStore store;
  auto model = Model::Open(store).value();
  std::uint64_t index = 0;
  const auto note = [&](const std::string& name, const std::string& value) {
    Outcome outcome;
    ASSERT_TRUE(model->Apply(++index, 1, Command{.body = NoteRequest{name, value}}, &outcome).ok());
  };
  note(PeerNoteName(7), Encode(PeerNote{false, {"http://p:7"}}));
  note(PeerNoteName(8), Encode(PeerNote{true, {"http://p:8"}}));
  note(AttributesNoteName(7), Encode(AttributesNote{"seven", {"http://c:7"}}));
  note(PeerNoteName(99), Encode(PeerNote{false, {"http://gone:1"}}));
  note(AlarmNoteName({7, AlarmKind::kNoSpace}), "1");
  note(AlarmNoteName({8, AlarmKind::kCorrupt}), "1");
  note(AlarmNoteName({8, AlarmKind::kCorrupt}), "");
  ASSERT_TRUE(model->Commit().ok());
  const auto view = model->View();
  EXPECT_EQ(view->meta().revision, 1);
  const auto roster = RosterOf({{raft::NodeId{8}, "", raft::MemberKind::kLearner},
                                {raft::NodeId{7}, "", raft::MemberKind::kLearner},
                                {raft::NodeId{1}, "h:1", raft::MemberKind::kVoter}},
                               *view)
                          .value();
  ASSERT_EQ(roster.size(), 3u);
  EXPECT_EQ(roster[0].peer_urls, std::vector<std::string>{"http://h:1"});
  EXPECT_EQ(roster[1].name, "seven");
  EXPECT_TRUE(roster[1].awaits_vote);
  EXPECT_FALSE(roster[1].learner);
  EXPECT_TRUE(roster[2].learner);
  EXPECT_EQ(AlarmsIn(*view).value(), (std::vector<Alarm>{{7, AlarmKind::kNoSpace}}));

  const std::string answer = EncodeMembersAnswer(5, 6, roster);
  const auto again = DecodeMembersAnswer(answer);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->cluster_id, 5u);
  EXPECT_EQ(again->applied_index, 6u);
  ASSERT_EQ(again->members.size(), 3u);
  EXPECT_EQ(again->members[2].id, 8u);
  for (std::size_t size = 0; size < answer.size(); ++size)
    EXPECT_FALSE(DecodeMembersAnswer(answer.substr(0, size))) << size;
}

}  // namespace
}  // namespace trireme::kv::inline engine
