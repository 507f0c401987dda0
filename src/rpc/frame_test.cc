#include "rpc/frame.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"
#include "rpc/out_queue.h"

namespace trireme::rpc {
namespace {

std::string Framed(const std::string& message) {
  char prefix[kFramePrefixBytes];
  StoreFramePrefix(prefix, static_cast<std::uint32_t>(message.size()));
  return std::string(prefix, sizeof prefix) + message;
}

TEST(FrameDecoder, FindsMessagesHoweverTheyAreCut) {
  Random random(1);
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> messages(random.Below(6));
    std::string wire;
    for (auto& message : messages) {
      message.assign(random.Below(50), static_cast<char>('a' + random.Below(26)));
      wire += Framed(message);
    }
    FrameDecoder decoder(64);
    std::vector<std::string> found;
    for (std::size_t at = 0; at < wire.size();) {
      const std::size_t size = 1 + random.Below(9);
      ASSERT_TRUE(decoder
                      .Feed(std::string_view(wire).substr(at, size),
                            [&](std::string m) { found.push_back(std::move(m)); })
                      .ok());
      at += size;
    }
    EXPECT_EQ(found, messages);
    EXPECT_FALSE(decoder.unfinished());
  }
}

TEST(FrameDecoder, SeesTheUnfinished) {
  const std::string wire = Framed("hello");
  for (std::size_t size = 1; size < wire.size(); ++size) {
    FrameDecoder decoder(64);
    ASSERT_TRUE(decoder.Feed(wire.substr(0, size), [](std::string) { FAIL(); }).ok());
    EXPECT_TRUE(decoder.unfinished());
  }
}

TEST(FrameDecoder, Refuses) {
  const auto feed = [](std::string_view bytes) {
    return FrameDecoder(4).Feed(bytes, [](std::string) {}).code();
  };
  EXPECT_EQ(feed(Framed("four")), absl::StatusCode::kOk);
  EXPECT_EQ(feed(Framed("five5")), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(feed(std::string_view("\x01\0\0\0\x01z", 6)), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(feed(std::string_view("\x02\0\0\0\x01z", 6)), absl::StatusCode::kInternal);
  EXPECT_EQ(feed(std::string_view("\0\xff\xff\xff\xff", 5)), absl::StatusCode::kResourceExhausted);
}

std::string Contents(const OutQueue& queue) {
  iovec vectors[64];
  const int count = queue.Gather(vectors, 64);
  std::string all;
  for (int i = 0; i < count; ++i) {
    all.append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
  }
  return all;
}

TEST(OutQueue, KeepsOrderUnderPartialConsumption) {
  Random random(2);
  OutQueue queue;
  std::string expected;
  for (int i = 0; i < 3000; ++i) {
    const auto bytes = std::make_shared<const std::string>(random.Below(300), 'a' + i % 26);
    if (queue.size() < 5000) {
      random.OneIn(2) ? queue.Append(*bytes) : queue.AppendShared(bytes, *bytes);
      expected += *bytes;
    }
    const std::size_t consumed = random.Below(std::min<std::size_t>(queue.size(), 250) + 1);
    queue.Consume(consumed);
    expected.erase(0, consumed);
    ASSERT_EQ(queue.size(), expected.size());
    ASSERT_EQ(Contents(queue).substr(0, 200), expected.substr(0, 200));
  }
}

}  // namespace
}  // namespace trireme::rpc
