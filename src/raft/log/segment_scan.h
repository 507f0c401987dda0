#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/log/frame_reader.h"

namespace trireme::raft {

/// Where in the sequence of batches a scan is.
struct ScanState {
  std::uint64_t next_batch = 0;  ///< 0: any may come first.
  std::uint64_t durable = 0;     ///< Said by some frame so far.
  std::uint32_t life = 0;        ///< Of the last frame.
};

/// How the valid frames of a segment end.
struct ScanEnd {
  std::uint64_t offset = 0;        ///< Behind the last valid frame.
  std::string why;                 ///< What is wrong with the next one.
  bool acknowledged = false;       ///< A later frame says that the next one was durable.
  std::uint64_t torn_batches = 0;  ///< Headers of later ones that nobody was told are durable.
};

/// Hands every frame of the segment that continues the sequence to `take`, in order, and says how
/// they end. The error is the disk's, or take's.
[[nodiscard]] absl::StatusOr<ScanEnd> ScanSegment(
    const Segment& segment, ScanState* state,
    const std::function<absl::Status(const Frame&)>& take);

}  // namespace trireme::raft
