#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <trireme/raft/bytes.h>
#include <trireme/raft/types.h>
#include "absl/status/statusor.h"

/// The bytes between two peers: docs/formats/raft-frames.md. Pure; decoders take hostile bytes.
namespace trireme::raft::tcp {

inline constexpr std::size_t kFrameHeaderBytes = 8;
inline constexpr std::uint16_t kFramesVersion = 1;
/// The first frame of either side; nothing longer is read before it.
inline constexpr std::size_t kHelloBytesMax = 512;
inline constexpr std::size_t kRefusalTextBytesMax = 256;

/// What stands before the body of a frame.
struct FrameHeader {
  std::uint32_t body_bytes = 0;
  std::uint32_t checksum = 0;
};
FrameHeader DecodeFrameHeader(const char* bytes);

/// Writes the header of the frame whose body is the concatenation of `pieces`, of `body_bytes`
/// together; without `checksummed` its checksum is 0.
void EncodeFrameHeader(char* to, std::span<const SharedBytes> pieces, std::uint32_t body_bytes,
                       bool checksummed);
/// The checksum of a frame's size, to go on from with its body.
std::uint32_t ChecksumOfSize(std::uint32_t body_bytes);

/// Who is at the other end, and whether it thinks that we are who we are.
struct Hello {
  std::uint64_t cluster_id = 0;
  NodeId from;
  NodeId to;
  std::uint64_t incarnation = 0;  ///< Drawn when the process starts.
  std::uint64_t number = 0;       ///< Of the hellos of this incarnation; later ones are greater.
  friend bool operator==(const Hello&, const Hello&) = default;
};

std::string EncodeHello(const Hello& hello);
std::string EncodeRefusal(std::string_view why);

/// INVALID_ARGUMENT: not of this protocol. UNIMPLEMENTED: of a version that is not ours.
/// PERMISSION_DENIED: a refusal, with its text.
absl::StatusOr<Hello> DecodeHello(std::string_view body);

}  // namespace trireme::raft::tcp
