#include "raft/core/codec.h"

#include "base/bytes.h"
#include "base/random.h"
#include "gtest/gtest.h"

namespace trireme::raft {
namespace {

std::vector<Message> Samples() {
  const LogPosition position{Index{300}, Term{7}};
  const Configuration members{{NodeId{1}, NodeId{2}}, {NodeId{3}}, {NodeId{4}}, {NodeId{2}}};
  const std::vector<Entry> entries{
      {Index{301}, Term{7}, EntryKind::kCommand, SharedBytes::Copy("first")},
      {Index{302}, Term{9}, EntryKind::kNoop, {}},
      {Index{303}, Term{9}, EntryKind::kConfiguration, SharedBytes::Copy("third")}};
  return {PreVoteRequest{Term{8}, position},
          PreVoteResponse{Term{8}, true},
          VoteRequest{Term{8}, position, true},
          VoteResponse{Term{8}, false},
          AppendRequest{Term{9}, position, Index{299}, 12, entries},
          AppendRequest{Term{9}, position, Index{299}, 12, {}},
          AppendAccepted{Term{9}, Index{303}, 12},
          AppendRejected{Term{9}, Index{300}, {Index{200}, Term{3}}, 12},
          Heartbeat{Term{9}, Index{1}, 13},
          HeartbeatResponse{Term{9}, 13},
          SnapshotChunk{Term{9}, 14, {position, members, 1000}, 500, SharedBytes::Copy("chunk")},
          SnapshotProgress{Term{9}, Index{300}, 505, 14},
          ReadIndexRequest{Term{9}, 77},
          ReadIndexResponse{Term{9}, 77, Index{303}},
          TimeoutNow{Term{~0ull}},
          Removed{Term{3}, Index{77}}};
}

TEST(Codec, MessagesSurviveTheirBytes) {
  for (const Message& message : Samples()) {
    const auto decoded = DecodeMessage(SharedBytes::Copy(EncodeMessage(message)));
    ASSERT_TRUE(decoded.has_value()) << message.index();
    EXPECT_EQ(*decoded, message) << message.index();
  }
}

TEST(Codec, DataAreSlicesOfTheFrame) {
  const Message message = Samples()[4];
  const SharedBytes frame = SharedBytes::Copy(EncodeMessage(message));
  const Message decoded = *DecodeMessage(frame);
  const SharedBytes& data = std::get<AppendRequest>(decoded).entries[0].data;
  EXPECT_GE(data.data(), frame.data());
  EXPECT_LT(data.data(), frame.data() + frame.size());
}

TEST(Codec, HeadAndDataAreTheWhole) {
  for (const Message& message : Samples()) {
    std::string whole = EncodeHead(message);
    ForEachData(message, [&](const SharedBytes& data) { whole.append(data.view()); });
    EXPECT_EQ(whole, EncodeMessage(message));
  }
}

TEST(Codec, NothingShorterOrLongerIsAMessage) {
  for (const Message& message : Samples()) {
    const std::string bytes = EncodeMessage(message);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      const auto cut = DecodeMessage(SharedBytes::Copy(bytes.substr(0, size)));
      // A chunk has no length of its own: the frame's end is its end.
      EXPECT_TRUE(!cut || std::holds_alternative<SnapshotChunk>(*cut));
    }
    if (!std::holds_alternative<SnapshotChunk>(message)) {
      EXPECT_EQ(DecodeMessage(SharedBytes::Copy(bytes + "x")), std::nullopt) << message.index();
    }
  }
}

TEST(Codec, OtherFormatsAndKindsAreRefused) {
  std::string bytes = EncodeMessage(TimeoutNow{Term{1}});
  bytes[0] = 2;
  EXPECT_EQ(DecodeMessage(SharedBytes::Copy(bytes)), std::nullopt);
  bytes[0] = 1;
  bytes[1] = 14;
  EXPECT_EQ(DecodeMessage(SharedBytes::Copy(bytes)), std::nullopt);
}

/// A count that promises a billion entries reserves nothing for them.
TEST(Codec, MemoryIsBoundedByTheBytesAtHand) {
  std::string head;
  for (const std::uint64_t number : {9ull, 300ull, 7ull, 299ull, 12ull, 1'000'000'000ull}) {
    AppendVarint(head, number);
  }
  std::string bytes{1, 4};
  AppendSized(bytes, head);
  EXPECT_EQ(DecodeMessage(SharedBytes::Copy(bytes)), std::nullopt);
}

TEST(Codec, DamagedBytesAreRefusedOrStillAMessage) {
  Random random(5);
  const std::vector<Message> samples = Samples();
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = EncodeMessage(samples[random.Below(samples.size())]);
    for (std::uint64_t flips = 1 + random.Below(3); flips > 0; --flips) {
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Below(256));
    }
    const auto decoded = DecodeMessage(SharedBytes::Copy(bytes));
    if (!decoded) continue;
    EXPECT_EQ(DecodeMessage(SharedBytes::Copy(EncodeMessage(*decoded))), decoded);
  }
}

}  // namespace
}  // namespace trireme::raft
