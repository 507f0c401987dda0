#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/log/frame.h"
#include "raft/log/segment.h"

namespace trireme::raft {

/// A frame as it is in its segment.
struct Frame {
  std::uint64_t offset = 0;
  FrameHeader header;
  Descriptor descriptor;

  std::uint64_t end() const { return offset + header.frame_bytes(); }
  std::uint64_t data_offset() const { return offset + kFrameHeaderBytes + header.descriptor_bytes; }
};

/// Reads frames of one segment through a window of its bytes. One thread.
class LogFrameReader {
 public:
  /// `window_bytes`: read at once, at least.
  LogFrameReader(const Segment& segment, std::size_t window_bytes);

  /// The frame at `offset`, its checksums compared; those of the data too if `with_data`. Nothing
  /// when there is no valid one; then why() says what is wrong. An error: the disk's.
  [[nodiscard]] absl::StatusOr<std::optional<Frame>> Read(std::uint64_t offset, bool with_data);
  /// Only the header at `offset`, if there is a valid one.
  [[nodiscard]] absl::StatusOr<std::optional<FrameHeader>> ReadHeader(std::uint64_t offset);
  std::string_view why() const { return why_; }

  /// The bytes, valid until the next call; fewer only at the end of the segment.
  [[nodiscard]] absl::StatusOr<std::string_view> Bytes(std::uint64_t offset, std::uint64_t size);

 private:
  bool DataIsSound(const Frame& frame, std::string_view data);

  const Segment& segment_;
  const std::size_t window_bytes_;
  std::string window_;
  std::uint64_t window_offset_ = 0;
  std::string why_;
};

}  // namespace trireme::raft
