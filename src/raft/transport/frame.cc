#include "raft/transport/frame.h"

#include "base/bytes.h"
#include "base/crc32c.h"
#include "fmt/format.h"

namespace trireme::raft::tcp {
namespace {

constexpr std::string_view kMagic = "trirraft";
enum class Kind : std::uint8_t { kHello = 1, kRefusal = 2 };

std::string Opening(Kind kind) {
  std::string result(kMagic);
  AppendLittle(result, kFramesVersion);
  AppendLittle(result, static_cast<std::uint8_t>(kind));
  return result;
}

absl::Status NotOurs(std::string_view what) {
  return absl::InvalidArgumentError(
      fmt::format("{}; is this the address of a Raft peer of this cluster?", what));
}

/// What a stranger says goes to a log: one line of printable characters.
std::string Printable(std::string_view text) {
  std::string result(text.substr(0, kRefusalTextBytesMax));
  for (char& c : result) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return result;
}

absl::StatusOr<Hello> DecodeHelloFields(ByteReader reader) {
  Hello hello;
  if (!reader.Little(&hello.cluster_id) || !reader.Little(&hello.from.value) ||
      !reader.Little(&hello.to.value) || !reader.Little(&hello.incarnation) ||
      !reader.Little(&hello.number) || !reader.empty()) {
    return NotOurs("a hello of the wrong size");
  }
  return hello;
}

}  // namespace

FrameHeader DecodeFrameHeader(const char* bytes) {
  return {LoadLittle<std::uint32_t>(bytes), LoadLittle<std::uint32_t>(bytes + 4)};
}

void EncodeFrameHeader(char* to, std::span<const SharedBytes> pieces, std::uint32_t body_bytes,
                       bool checksummed) {
  StoreLittle(to, body_bytes);
  std::uint32_t checksum = 0;
  if (checksummed) {
    checksum = ChecksumOfSize(body_bytes);
    for (const SharedBytes& piece : pieces) checksum = Crc32c(piece.view(), checksum);
  }
  StoreLittle(to + 4, checksum);
}

std::uint32_t ChecksumOfSize(std::uint32_t body_bytes) {
  char size[4];
  StoreLittle(size, body_bytes);
  return Crc32c({size, sizeof size});
}

std::string EncodeHello(const Hello& hello) {
  std::string result = Opening(Kind::kHello);
  AppendLittle(result, hello.cluster_id);
  AppendLittle(result, hello.from.value);
  AppendLittle(result, hello.to.value);
  AppendLittle(result, hello.incarnation);
  AppendLittle(result, hello.number);
  return result;
}

std::string EncodeRefusal(std::string_view why) {
  return Opening(Kind::kRefusal).append(why.substr(0, kRefusalTextBytesMax));
}

absl::StatusOr<Hello> DecodeHello(std::string_view body) {
  if (!body.starts_with(kMagic)) return NotOurs("no hello");
  ByteReader reader(body.substr(kMagic.size()));
  std::uint16_t version = 0;
  std::uint8_t kind = 0;
  if (!reader.Little(&version) || !reader.Little(&kind)) return NotOurs("a hello cut short");
  // A refusal is read whatever its version: it may say that ours is the wrong one.
  if (kind == static_cast<std::uint8_t>(Kind::kRefusal)) {
    return absl::PermissionDeniedError(Printable(reader.rest()));
  }
  if (version != kFramesVersion) {
    return absl::UnimplementedError(
        fmt::format("version {} of the peers' protocol, not {}; run the same release on all nodes",
                    version, kFramesVersion));
  }
  if (kind != static_cast<std::uint8_t>(Kind::kHello)) return NotOurs("a hello of no known kind");
  return DecodeHelloFields(reader);
}

}  // namespace trireme::raft::tcp
