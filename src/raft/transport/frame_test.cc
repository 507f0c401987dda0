#include "raft/transport/frame.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "raft/transport/frame_reader.h"

namespace trireme::raft::tcp {
namespace {

std::string Framed(std::string_view body, bool checksummed = true) {
  const SharedBytes piece = SharedBytes::Copy(body);
  char header[kFrameHeaderBytes];
  EncodeFrameHeader(header, {&piece, 1}, static_cast<std::uint32_t>(body.size()), checksummed);
  return std::string(header, sizeof header).append(body);
}

struct ReadResult {
  std::vector<SharedBytes> frames;
  absl::Status status;
};

/// Feeds a reader at random: by Take, or into the place of the frame that has begun.
ReadResult ReadInParts(std::string_view bytes, Random& random, std::size_t body_bytes_max,
                       bool checksummed = true) {
  ReadResult result;
  FrameReader reader(checksummed);
  reader.set_body_bytes_max(body_bytes_max);
  const auto deliver = [&](SharedBytes frame) {
    result.frames.push_back(std::move(frame));
    return true;
  };
  while (!bytes.empty() && result.status.ok()) {
    const bool in_place = reader.rest_size() > 0 && random.OneIn(2);
    const std::size_t most = in_place ? std::min(reader.rest_size(), bytes.size()) : bytes.size();
    const std::size_t count = 1 + random.Below(std::min<std::size_t>(most, 3000));
    if (in_place) {
      bytes.copy(reader.rest_data(), count);
      result.status = reader.Filled(count, deliver);
    } else {
      result.status = reader.Take(bytes.substr(0, count), deliver);
    }
    bytes.remove_prefix(count);
  }
  return result;
}

TEST(FrameReaderTest, ReadsWhatATwinCutsApartAtOnce) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    std::string stream;
    std::vector<std::string> bodies;
    for (int i = 0; i < 30; ++i) {
      std::string body(random.Below(std::uint64_t{1} << random.Below(13)), 'x');
      for (char& c : body) c = static_cast<char>(random.Next());
      stream += Framed(body);
      if (!body.empty()) bodies.push_back(std::move(body));  // Empty ones are not delivered.
    }
    const ReadResult read = ReadInParts(stream, random, 1u << 13);
    ASSERT_TRUE(read.status.ok()) << read.status;
    ASSERT_EQ(read.frames.size(), bodies.size());
    for (std::size_t i = 0; i < bodies.size(); ++i) EXPECT_EQ(read.frames[i].view(), bodies[i]);
  }
}

TEST(FrameReaderTest, EveryChangedByteIsFound) {
  const std::string stream = Framed("some bytes") + Framed("") + Framed("others");
  for (std::size_t at = 0; at < stream.size(); ++at) {
    std::string changed = stream;
    changed[at] ^= 0x10;
    Random random(at);
    const ReadResult read = ReadInParts(changed, random, 1u << 20);
    // What still looks like a beginning waits for the rest.
    const bool waits = at < 4 || (at >= 18 && at < 22) || (at >= 26 && at < 30);
    EXPECT_TRUE(!read.status.ok() || (waits && read.frames.size() < 2)) << at;
    for (const SharedBytes& frame : read.frames) {
      EXPECT_TRUE(frame.view() == "some bytes" || frame.view() == "others") << at;
    }
  }
}

TEST(FrameReaderTest, WithoutChecksumsTheFieldIsZero) {
  Random random(1);
  EXPECT_EQ(ReadInParts(Framed("bytes", false), random, 100, false).frames.size(), 1u);
  EXPECT_EQ(ReadInParts(Framed("bytes", true), random, 100, false).status.code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadInParts(Framed("bytes", false), random, 100, true).status.code(),
            absl::StatusCode::kDataLoss);
}

TEST(FrameReaderTest, TooLongAFrameIsRefusedBeforeItsBytes) {
  Random random(1);
  const ReadResult read = ReadInParts(Framed(std::string(101, 'x')).substr(0, 8), random, 100);
  EXPECT_EQ(read.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(read.status.message().find("101"), absl::string_view::npos) << read.status;
  EXPECT_TRUE(ReadInParts(Framed(std::string(100, 'x')), random, 100).status.ok());
}

TEST(FrameReaderTest, ReadsNoMoreThanIsWanted) {
  FrameReader reader(true);
  int frames = 0;
  const auto once = [&](SharedBytes) { return ++frames < 1; };
  EXPECT_TRUE(reader.Take(Framed("first") + Framed("second") + "garbage, garbage", once).ok());
  EXPECT_EQ(frames, 1);
}

constexpr Hello kHello{
    .cluster_id = 0x1122334455667788, .from = {3}, .to = {4}, .incarnation = 5, .number = 6};

TEST(HelloTest, SurvivesItsEncoding) {
  const auto decoded = DecodeHello(EncodeHello(kHello));
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, kHello);
}

TEST(HelloTest, SaysWhatIsWrong) {
  const std::string hello = EncodeHello(kHello);
  EXPECT_EQ(DecodeHello("GET / HTTP/1.1").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(DecodeHello("").status().code(), absl::StatusCode::kInvalidArgument);
  for (std::size_t size = 0; size < hello.size(); ++size) {
    EXPECT_FALSE(DecodeHello(hello.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(DecodeHello(hello + "x").ok());
  std::string newer = hello;
  newer[8] = 9;
  EXPECT_EQ(DecodeHello(newer).status().code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(DecodeHello(newer).status().message().find("version 9"), absl::string_view::npos);
}

TEST(HelloTest, ARefusalIsReadWhateverItsVersion) {
  std::string refusal = EncodeRefusal("you are\nnot welcome");
  EXPECT_EQ(DecodeHello(refusal).status(), absl::PermissionDeniedError("you are?not welcome"));
  refusal[8] = 9;
  EXPECT_EQ(DecodeHello(refusal).status(), absl::PermissionDeniedError("you are?not welcome"));
  EXPECT_LE(EncodeRefusal(std::string(10000, 'x')).size(), kHelloBytesMax);
}

}  // namespace
}  // namespace trireme::raft::tcp
