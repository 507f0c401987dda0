#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "io/disk.h"
#include "raft/log/directory.h"
#include "raft/log/group_table.h"
#include "raft/log/options.h"
#include "raft/log/segment.h"

namespace trireme::raft {

/// What a directory holds, read and judged. Nothing has been changed.
struct Recovery {
  SegmentMap segments;
  GroupTable table;
  std::uint64_t first_segment = 0;  ///< Needed; those before it are left over.
  std::uint64_t last_batch = 0;
  std::uint64_t durable = 0;  ///< Batches up to this one are certainly on the disk.
  std::uint32_t life = 0;     ///< The last one that left a frame.
  std::uint64_t end = 0;      ///< Of the last segment's frames.
  /// Of the last segment's first frame after `durable`. What follows may be in the kernel's memory
  /// only, and clean, after a sync that failed.
  std::uint64_t uncertain = 0;
  std::uint64_t torn_batches = 0;
};

/// `listed` has at least one segment. DATA_LOSS, with file and offset, for damage that no crash
/// explains. FAILED_PRECONDITION for the segments of another node.
[[nodiscard]] absl::StatusOr<Recovery> Recover(io::Disk& disk, const LogOptions& options,
                                               const LogDirectory& listed);

}  // namespace trireme::raft
