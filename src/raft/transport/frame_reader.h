#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include <trireme/raft/bytes.h>
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "raft/transport/frame.h"

namespace trireme::raft::tcp {

/// Puts frames together from bytes as they come: each in one allocation of exactly its size, since
/// a slice of it may live long, in a log. Not thread-safe.
class FrameReader {
 public:
  /// Takes a frame's body; false ends the reading.
  using Deliver = absl::FunctionRef<bool(SharedBytes)>;

  explicit FrameReader(bool checksummed) : checksummed_(checksummed) {}

  /// From now on; a frame that has begun is not concerned.
  void set_body_bytes_max(std::size_t value) { body_bytes_max_ = value; }

  /// Where the rest of the frame that has begun belongs: whoever reads from a socket may read there
  /// first, and say so by Filled. Null when no frame has begun.
  char* rest_data() { return body_ ? body_.get() + have_ : nullptr; }
  std::size_t rest_size() const { return body_ ? header_.body_bytes - have_ : 0; }

  /// `count` bytes are at rest_data(); at most rest_size(). Empty frames, which only say that the
  /// peer is there, are not delivered. DATA_LOSS: a wrong checksum. RESOURCE_EXHAUSTED: too long.
  /// After an error it is of no more use.
  [[nodiscard]] absl::Status Filled(std::size_t count, Deliver deliver);
  /// The next bytes, wherever they are.
  [[nodiscard]] absl::Status Take(std::string_view bytes, Deliver deliver);

 private:
  absl::Status Begin();
  absl::Status Finish(Deliver deliver);
  bool TakeHeader(std::string_view* bytes);

  const bool checksummed_;
  std::size_t body_bytes_max_ = kHelloBytesMax;
  char header_bytes_[kFrameHeaderBytes];
  std::size_t header_have_ = 0;
  FrameHeader header_;
  std::shared_ptr<char[]> body_;  // Of the frame that has begun, unless it is empty.
  std::size_t have_ = 0;          // Of body_.
  std::uint32_t checksum_ = 0;    // Of these; 0 when there are none.
  bool stopped_ = false;          // Nobody wants more.
};

}  // namespace trireme::raft::tcp
