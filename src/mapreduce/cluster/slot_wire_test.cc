#include "mapreduce/cluster/slot_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <csignal>
#include <thread>
#include <vector>

#include "base/archive.h"
#include "base/bytes.h"
#include "io/process.h"

namespace trireme::mapreduce {
namespace {

class SlotWireTest : public testing::Test {
 protected:
  SlotWireTest() {
    auto sockets = io::MakeSocketPair();
    near_ = std::move(sockets->first);
    far_ = std::move(sockets->second);
  }

  void SendRaw(std::string_view bytes) {
    ASSERT_EQ(::send(near_.get(), bytes.data(), bytes.size(), 0),
              static_cast<ssize_t>(bytes.size()));
  }
  static std::string Header(std::uint32_t size, std::uint8_t type) {
    std::string header;
    AppendLittle(header, size);
    header.push_back(static_cast<char>(type));
    return header;
  }

  io::Fd near_, far_;
  FrameReader reader_;
};

TEST_F(SlotWireTest, FramesComeInTheirOrderAlsoEmptyOnes) {
  ASSERT_TRUE(SendFrame(near_.get(), SlotMessage::kCancel, {}).ok());
  ASSERT_TRUE(SendFrame(near_.get(), SlotMessage::kStatus, "half way").ok());
  ASSERT_TRUE(reader_.Fill(far_.get()));
  const auto first = reader_.Next(), second = reader_.Next();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->type, SlotMessage::kCancel);
  EXPECT_EQ(first->payload, "");
  EXPECT_EQ(second->type, SlotMessage::kStatus);
  EXPECT_EQ(second->payload, "half way");
  EXPECT_FALSE(reader_.Next().has_value());
}

TEST_F(SlotWireTest, AFrameThatArrivesByteByByteIsOne) {
  for (const char byte : Header(3, 36) + "abc") {
    EXPECT_FALSE(reader_.Next().has_value());
    SendRaw({&byte, 1});
    ASSERT_TRUE(reader_.Fill(far_.get()));
  }
  const auto frame = reader_.Next();
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->payload, "abc");
}

TEST_F(SlotWireTest, ALargeFramePassesThroughASmallSocket) {
  std::string large(3u << 20, 'x');
  large.front() = large.back() = '!';
  std::thread sender([&] { EXPECT_TRUE(SendFrame(near_.get(), SlotMessage::kRun, large).ok()); });
  std::optional<SlotFrame> frame;
  while (!(frame = reader_.Next())) ASSERT_TRUE(reader_.Fill(far_.get()));
  sender.join();
  EXPECT_EQ(frame->payload, large);
}

TEST_F(SlotWireTest, TheEndOfTheStreamIsTheEndAlsoWithinAFrame) {
  SendRaw(Header(10, 1) + "cut");
  near_.Reset();
  EXPECT_TRUE(reader_.Fill(far_.get()));
  EXPECT_FALSE(reader_.Next().has_value());
  EXPECT_FALSE(reader_.Fill(far_.get()));
}

TEST_F(SlotWireTest, AnImpossibleSizeEndsTheConversationAtOnce) {
  SendRaw(Header(kSlotMessageBytesMax + 1, 1));
  EXPECT_FALSE(reader_.Fill(far_.get()));
}

TEST_F(SlotWireTest, AnImpossibleSizeBehindAGoodFrameIsFoundBeforeItsBytesAreKept) {
  SendRaw(Header(1, 36) + "a" + Header(0xffffffff, 1));
  ASSERT_TRUE(reader_.Fill(far_.get()));
  EXPECT_TRUE(reader_.Next().has_value());
  EXPECT_FALSE(reader_.Next().has_value());
  SendRaw("x");
  EXPECT_FALSE(reader_.Fill(far_.get()));
}

TEST_F(SlotWireTest, WhatIsTooLargeIsNotSent) {
  const std::string large(kSlotMessageBytesMax + 1, 'x');
  EXPECT_TRUE(absl::IsResourceExhausted(SendFrame(near_.get(), SlotMessage::kRun, large)));
  char byte;
  EXPECT_EQ(::recv(far_.get(), &byte, 1, MSG_DONTWAIT), -1);
}

TEST_F(SlotWireTest, NobodyThereIsAnErrorAndNoSignal) {
  far_.Reset();
  EXPECT_FALSE(SendFrame(near_.get(), SlotMessage::kCancel, {}).ok());
}

TEST_F(SlotWireTest, AnswersComeBack) {
  const MapInputAnswer answer{7, 14, "gone", "input"};
  MapInputAnswer back;
  ASSERT_TRUE(DecodeFields(EncodeFields(answer), &back));
  EXPECT_EQ(back.map, 7u);
  EXPECT_EQ(back.code, 14);
  EXPECT_EQ(back.message, "gone");
  EXPECT_EQ(back.input, "input");
}

}  // namespace
}  // namespace trireme::mapreduce
