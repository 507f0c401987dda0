#pragma once

#include <cstdint>
#include <string>

#include <trireme/raft/types.h>

namespace trireme::raft {

/// Every number the log decides by; docs/raft-log.md has them as a table with their arithmetic.
struct LogOptions {
  std::string directory;
  std::uint64_t cluster_id = 0;
  NodeId node;

  /// A segment's file. Larger ones are changed less often; each change costs three syncs.
  std::uint64_t segment_bytes = 64u << 20;
  /// The end of the last segment that entries may not use when there is no room for another one, so
  /// that terms, votes and compactions can still be written on a full disk.
  std::uint64_t reserve_bytes = 1u << 20;
  /// Segments kept ready, zero-filled or used before, by Housekeep.
  std::uint32_t spare_segments = 2;
  /// Of segments that are free, so many are kept to be used again; more are removed at once, and
  /// those beyond spare_segments one by one when nothing has been written for a minute.
  std::uint32_t recycled_segments_max = 8;
  /// With more segments than this, entries that pin the oldest are rewritten at the front, unless
  /// more than half of all bytes are live.
  std::uint32_t pinned_segments_max = 8;
  /// Entries' data handed back by Open, all groups together; each group gets its last entry.
  std::uint64_t restore_bytes_max = 64u << 20;
  /// Places in memory that say where entries are; with more, each of them covers more bytes.
  std::uint64_t index_points_max = 1u << 20;
};

/// Bounds of the format; a decoder refuses what is beyond.
inline constexpr std::uint64_t kSegmentBytesMin = 64u << 10;
inline constexpr std::uint64_t kSegmentBytesMax = 1u << 30;
inline constexpr std::uint64_t kConfigurationBytesMax = 64u << 10;

}  // namespace trireme::raft
