#include "rpc/header_memo.h"

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/random.h"

namespace trireme::rpc {
namespace {

constexpr char kData = 0, kHeaders = 1, kContinuation = 9;
constexpr char kEndStream = 1, kEndHeaders = 4, kPriority = 0x20;

std::string Frame(char type, char flags, std::int32_t id, std::string_view payload) {
  std::string frame;
  for (const int shift : {16, 8, 0}) frame.push_back(static_cast<char>(payload.size() >> shift));
  frame += {type, flags};
  for (const int shift : {24, 16, 8, 0}) frame.push_back(static_cast<char>(id >> shift));
  return frame.append(payload);
}

std::string Shorten(HeaderMemo& memo, std::string bytes) {
  const std::span<char> left = memo.Shorten(bytes);
  return {left.data(), left.size()};
}

HeaderMemo::Meaning Text(std::string text) {
  return std::make_shared<const std::string>(std::move(text));
}

/// What the block said that now begins; empty: the frame has it.
std::string BeginText(HeaderMemo& memo, std::int32_t id) {
  const HeaderMemo::Meaning* taken = memo.Begin(id);
  return taken == nullptr ? "" : *static_cast<const std::string*>(taken->get());
}

const std::string kBlock = "\x83\x86";            // Two of the static table.
const std::string kIndexingBlock = "\x40\1a\1b";  // Adds to the dynamic one.

std::string Opening(std::int32_t id, const std::string& block = kBlock) {
  return Frame(kHeaders, kEndHeaders, id, block);
}

TEST(HeaderMemoTest, ABlockThatIsKnownIsTakenOut) {
  HeaderMemo memo(0);
  EXPECT_EQ(Shorten(memo, Opening(1)), Opening(1));
  EXPECT_FALSE(memo.wants());
  EXPECT_EQ(BeginText(memo, 1), "");
  EXPECT_TRUE(memo.wants());
  memo.Learn(Text("said"));
  const std::string data = Frame(kData, kEndStream, 3, "data");
  EXPECT_EQ(Shorten(memo, data + Opening(3) + data + Opening(5) + data),
            data + Opening(3, "") + data + Opening(5, "") + data);
  EXPECT_EQ(BeginText(memo, 3), "said");
  EXPECT_EQ(BeginText(memo, 5), "said");
  EXPECT_FALSE(memo.wants());
}

TEST(HeaderMemoTest, OfTwoBlocksOfOneStreamEachIsItself) {
  HeaderMemo memo(0);
  Shorten(memo, Opening(1, "\x88") + Opening(1));
  BeginText(memo, 1);
  EXPECT_FALSE(memo.wants()) << "the other is the candidate";
  BeginText(memo, 1);
  EXPECT_TRUE(memo.wants());
  memo.Learn(Text("said"));
  EXPECT_EQ(Shorten(memo, Opening(3, "\x88") + Opening(3)), Opening(3, "\x88") + Opening(3, ""));
  EXPECT_EQ(BeginText(memo, 3), "");
  EXPECT_TRUE(memo.wants());
  EXPECT_EQ(BeginText(memo, 3), "said");
}

/// nghttp2 may report its beginning before or after the cut.
TEST(HeaderMemoTest, NothingIsTakenOutBehindABlockThatWasCut) {
  const std::string cut =
      Opening(3) + Frame(kHeaders, kEndHeaders | kPriority, 5, std::string("\0\0\0\0\1\x83", 6));
  for (std::size_t size = Opening(3).size() + 1; size < cut.size(); ++size) {
    HeaderMemo memo(0);
    Shorten(memo, Opening(1));
    BeginText(memo, 1);
    memo.Learn(Text("said"));
    EXPECT_EQ(Shorten(memo, cut.substr(0, size)),
              Opening(3, "") + cut.substr(Opening(3).size(), size - Opening(3).size()));
    EXPECT_EQ(Shorten(memo, cut.substr(size) + Opening(7)), cut.substr(size) + Opening(7));
    EXPECT_EQ(BeginText(memo, 5), "");
    EXPECT_EQ(BeginText(memo, 7), "");
    EXPECT_FALSE(memo.wants());
  }
}

TEST(HeaderMemoTest, AStreamThatWasNotOpenedIsPassedOver) {
  HeaderMemo memo(0);
  Shorten(memo, Opening(1));
  BeginText(memo, 1);
  memo.Learn(Text("said"));
  Shorten(memo, Opening(3) + Opening(5, "\x82") + Opening(7));
  EXPECT_EQ(BeginText(memo, 5), "");
  EXPECT_EQ(BeginText(memo, 7), "said");
}

TEST(HeaderMemoTest, WhatMayChangeTheTableEndsAllKnowledge) {
  const std::string others[] = {
      Opening(3, kIndexingBlock), Opening(3, "\x20\x83"), Frame(kHeaders, 0, 3, kBlock),
      Frame(kContinuation, kEndHeaders, 3, kBlock),
      Frame(kHeaders, kEndHeaders | kPriority, 3, std::string("\0\0\0\0\1\x83", 6))};
  for (const std::string& other : others) {
    HeaderMemo memo(0);
    Shorten(memo, Opening(1));
    BeginText(memo, 1);
    memo.Learn(Text("said"));
    EXPECT_EQ(Shorten(memo, other + Opening(5)), other + Opening(5));
    EXPECT_EQ(BeginText(memo, 5), "");
    EXPECT_TRUE(memo.wants()) << "it may be learned again";
  }
}

TEST(HeaderMemoTest, WhatIsTakenOutEarlierInTheSameBytesKeepsItsMeaning) {
  HeaderMemo memo(0);
  Shorten(memo, Opening(1));
  BeginText(memo, 1);
  memo.Learn(Text("said"));
  EXPECT_EQ(Shorten(memo, Opening(3) + Opening(5, kIndexingBlock) + Opening(7)),
            Opening(3, "") + Opening(5, kIndexingBlock) + Opening(7));
  EXPECT_EQ(BeginText(memo, 3), "said");
  EXPECT_EQ(BeginText(memo, 5), "");
  EXPECT_EQ(BeginText(memo, 7), "");
}

TEST(HeaderMemoTest, FewAndShortBlocksAreKnown) {
  HeaderMemo memo(0);
  const std::string longest(kKnownHeaderBlockBytesMax, '\x83');
  Shorten(memo, Opening(1, longest + '\x83'));
  BeginText(memo, 1);
  EXPECT_FALSE(memo.wants());
  std::int32_t id = 1;
  for (std::size_t i = 0; i <= kKnownHeaderBlocksMax; ++i) {
    Shorten(memo, Opening(id += 2, longest.substr(i)));
    BeginText(memo, id);
    EXPECT_TRUE(memo.wants());
    memo.Learn(Text("said"));
  }
  EXPECT_EQ(Shorten(memo, Opening(id + 2, longest.substr(1))), Opening(id + 2, ""));
  EXPECT_EQ(Shorten(memo, Opening(id + 4, longest)), Opening(id + 4, longest));
}

TEST(LeavesTableTest, OfEveryKindOfField) {
  const std::pair<std::string, bool> blocks[] = {
      {"\x82\xbe", true},
      {"\xff\x80\x01", true},
      {std::string("\0\1a\1b", 5), true},    // Not indexed.
      {std::string("\x10\1a\1b", 5), true},  // Never indexed.
      {std::string("\4\1b"), true},          // Its name indexed.
      {std::string("\x0f\x11\1b"), true},
      {kIndexingBlock, false},
      {"\x82" + kIndexingBlock, false},
      {"\x20", false},
      {std::string("\0\1a\2b", 5), false},
      {std::string("\0\1a", 3), false},
      {std::string("\0", 1), false},
      {"\xff", false},
      {"\xff\xff\xff\xff\xff\xff", false},
  };
  for (const auto& [block, expected] : blocks) EXPECT_EQ(LeavesTable(block), expected) << block;
}

using HeaderList = std::vector<std::pair<std::string, std::string>>;

std::string ToText(const HeaderList& headers) {
  std::string text;
  for (const auto& [name, value] : headers) text += name + ": " + value + "\n";
  return text;
}

/// nghttp2's HPACK at both ends of a connection.
class Hpack {
 public:
  Hpack() {
    nghttp2_hd_deflate_new(&deflater_, 4096);
    nghttp2_hd_inflate_new(&inflater_);
  }
  ~Hpack() {
    nghttp2_hd_deflate_del(deflater_);
    nghttp2_hd_inflate_del(inflater_);
  }

  std::string Deflate(const HeaderList& headers) {
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : headers) {
      list.push_back({Bytes(name), Bytes(value), name.size(), value.size(), 0});
    }
    std::uint8_t block[4096];
    const ssize_t size =
        nghttp2_hd_deflate_hd(deflater_, block, sizeof block, list.data(), list.size());
    return {reinterpret_cast<const char*>(block), static_cast<std::size_t>(size)};
  }

  std::string InflateToText(std::string_view block) {
    std::string text;
    while (true) {
      nghttp2_nv header;
      int flags = 0;
      const ssize_t used =
          nghttp2_hd_inflate_hd2(inflater_, &header, &flags, Bytes(block), block.size(), 1);
      if (used < 0) return "not HPACK";
      block.remove_prefix(static_cast<std::size_t>(used));
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
        text.append(reinterpret_cast<const char*>(header.name), header.namelen).append(": ");
        text.append(reinterpret_cast<const char*>(header.value), header.valuelen).append("\n");
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater_);
    return text;
  }

 private:
  static std::uint8_t* Bytes(std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  }
  nghttp2_hd_deflater* deflater_ = nullptr;
  nghttp2_hd_inflater* inflater_ = nullptr;
};

/// A connection in pieces of any size, whose headers must be understood as if there were no memo.
class Replay {
 public:
  static constexpr std::size_t kStreams = 1000;

  explicit Replay(std::uint64_t seed) : random_(seed) {}

  void Run() {
    for (std::int32_t id = 1; id < 2 * static_cast<std::int32_t>(kStreams); id += 2) Open(id);
    for (std::size_t at = 0, size = 0; at < wire_.size(); at += size) {
      size = 1 + random_.Below(random_.OneIn(4) ? 12 : 600);
      unread_ += Shorten(memo_, wire_.substr(at, size));
      Receive();
    }
    EXPECT_EQ(received_, kStreams);
  }

  std::size_t taken() const { return taken_; }

 private:
  /// A request of one of a few kinds; now and then something that was never said before.
  void Open(std::int32_t id) {
    HeaderList headers = {{":path", "/" + std::to_string(random_.Below(3))}, {"te", "trailers"}};
    if (random_.OneIn(50)) headers.emplace_back("grpc-timeout", std::to_string(id) + "m");
    expected_[id] = ToText(headers);
    const std::string block = hpack_.Deflate(headers);
    if (random_.OneIn(50)) {
      const std::size_t half = block.size() / 2;
      wire_ += Frame(kHeaders, 0, id, block.substr(0, half));
      wire_ += Frame(kContinuation, kEndHeaders, id, block.substr(half));
    } else if (random_.OneIn(50)) {
      wire_ += Frame(kHeaders, kEndHeaders | kPriority, id, std::string(5, '\0') + block);
    } else {
      wire_ += Frame(kHeaders, kEndHeaders, id, block);
    }
    wire_ += Frame(kData, kEndStream, id, std::string(random_.Below(40), 'd'));
  }

  void Receive() {
    while (unread_.size() >= 9) {
      const std::size_t size = 9 + (Byte(0) << 16 | Byte(1) << 8 | Byte(2));
      const std::size_t block_from = (Byte(4) & kPriority) != 0 ? 14 : 9;
      if (Byte(3) == kHeaders && !begun_ && unread_.size() >= block_from) Begin();
      if (unread_.size() < size) return;
      if (Byte(3) != kData) block_ += unread_.substr(block_from, size - block_from);
      if (Byte(3) != kData && (Byte(4) & kEndHeaders) != 0) ReceiveBlock();
      unread_.erase(0, size);
    }
  }

  unsigned Byte(std::size_t at) const { return static_cast<unsigned char>(unread_[at]); }

  /// As early as nghttp2 does it.
  void Begin() {
    stream_ = static_cast<std::int32_t>(Byte(5) << 24 | Byte(6) << 16 | Byte(7) << 8 | Byte(8));
    known_ = BeginText(memo_, stream_);
    begun_ = true;
  }

  void ReceiveBlock() {
    begun_ = false;
    ++received_;
    if (!known_.empty()) {
      EXPECT_EQ(block_, "");
      ++taken_;
    }
    const std::string text = known_.empty() ? hpack_.InflateToText(block_) : known_;
    EXPECT_EQ(text, expected_[stream_]) << stream_;
    if (memo_.wants()) memo_.Learn(Text(text));
    block_.clear();
  }

  Random random_;
  Hpack hpack_;
  HeaderMemo memo_{0};
  std::string wire_, unread_;
  bool begun_ = false;  // The header block that is being received:
  std::int32_t stream_ = 0;
  std::string block_, known_;
  std::map<std::int32_t, std::string> expected_;
  std::size_t received_ = 0;
  std::size_t taken_ = 0;
};

TEST(HeaderMemoTest, HeadersAreUnderstoodAsWithoutIt) {
  std::size_t taken = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Replay replay(seed);
    replay.Run();
    taken += replay.taken();
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
  }
  EXPECT_GT(taken, 20 * Replay::kStreams / 10);
}

}  // namespace
}  // namespace trireme::rpc
