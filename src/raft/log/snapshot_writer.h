#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"

namespace trireme::raft {

/// Writes the file of one snapshot, from its front to its end. Destroyed unfinished, it leaves
/// nothing. One thread.
class SnapshotWriter {
 public:
  virtual ~SnapshotWriter() = default;
  /// RESOURCE_EXHAUSTED when the disk is full: the snapshot is lost, the log is not.
  [[nodiscard]] virtual absl::Status Append(std::string_view bytes) = 0;
  /// What has been appended: the offset of the next byte.
  virtual std::uint64_t size_bytes() const = 0;
  /// Makes the file and its name durable. Then GroupWrite::snapshot may name it.
  [[nodiscard]] virtual absl::Status Finish() = 0;
};

}  // namespace trireme::raft
