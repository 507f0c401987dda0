#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "io/disk.h"
#include "raft/log/directory.h"

namespace trireme::raft {

/// The block at the front of a segment; frames begin after it.
inline constexpr std::size_t kSegmentBlockBytes = 4096;

struct SegmentBlock {
  LogIdentity identity;
  std::uint64_t number = 0;
  std::uint64_t first_batch = 0;
  std::uint64_t segment_bytes = 0;
  std::uint32_t life = 0;
};

/// A segment's file and what its block says. Shared, so that a file is not used for something else
/// while somebody reads it.
struct Segment {
  SegmentBlock block;
  std::uint32_t seed = 0;  ///< Of the checksums of its frames' headers: the block's checksum.
  std::string path;
  std::unique_ptr<io::DiskFile> file;
};
using SegmentPtr = std::shared_ptr<const Segment>;
using SegmentMap = std::map<std::uint64_t, SegmentPtr>;  ///< By number.

std::string EncodeSegmentBlock(const SegmentBlock& block);
/// False when these are not the 4,096 bytes of a block.
[[nodiscard]] bool DecodeSegmentBlock(std::string_view bytes, SegmentBlock* block,
                                      std::uint32_t* seed);

/// DATA_LOSS when it has no valid block, or one of another segment.
[[nodiscard]] absl::StatusOr<SegmentPtr> OpenSegment(io::Disk& disk, const std::string& directory,
                                                     std::uint64_t number, io::OpenMode mode);

/// Turns `file`, a spare one at `path`, into the segment that `block` describes, durably.
[[nodiscard]] absl::StatusOr<SegmentPtr> StartSegment(io::Disk& disk, const std::string& directory,
                                                      const std::string& spare_path,
                                                      const SegmentBlock& block);

/// Creates `path` with so many zeros in blocks that have been written, durably but for its name.
/// RESOURCE_EXHAUSTED leaves nothing.
[[nodiscard]] absl::Status CreateZeroFilled(io::Disk& disk, const std::string& path,
                                            std::uint64_t bytes);

}  // namespace trireme::raft
