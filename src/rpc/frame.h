#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

namespace trireme::rpc {

/// A gRPC message on the wire: one flag byte (1: compressed), its length in four bytes big-endian,
/// its bytes.
inline constexpr std::size_t kFramePrefixBytes = 5;

/// Writes the prefix of an uncompressed message of `size_bytes` at `to`.
inline void StoreFramePrefix(char* to, std::uint32_t size_bytes) {
  to[0] = 0;
  for (int i = 0; i < 4; ++i) to[1 + i] = static_cast<char>(size_bytes >> (24 - 8 * i));
}

/// Cuts a stream of hostile bytes into messages, holding at most one unfinished message in memory,
/// which grows as its bytes arrive rather than as its length claims. Not thread-safe.
class FrameDecoder {
 public:
  explicit FrameDecoder(std::size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  /// Calls `sink(std::string)` for each message completed. UNIMPLEMENTED: compressed;
  /// RESOURCE_EXHAUSTED: over the limit; INTERNAL: bad flag. After an error it must not be fed
  /// again.
  template <class Sink>
  absl::Status Feed(std::string_view bytes, Sink&& sink) {
    while (!bytes.empty()) {
      if (prefix_size_ < kFramePrefixBytes) {
        if (!TakePrefix(bytes)) return absl::OkStatus();
        if (absl::Status status = CheckPrefix(); !status.ok()) return status;
      }
      TakeBody(bytes);
      if (body_.size() < body_size_) return absl::OkStatus();
      prefix_size_ = 0;
      sink(std::exchange(body_, std::string()));
    }
    return absl::OkStatus();
  }

  /// Whether a message has begun and not ended.
  bool unfinished() const { return prefix_size_ != 0; }

  /// Bytes of the unfinished message held.
  std::size_t held_bytes() const { return body_.size(); }

  void set_message_bytes_max(std::size_t bytes) { message_bytes_max_ = bytes; }

 private:
  bool TakePrefix(std::string_view& bytes);
  absl::Status CheckPrefix();
  void TakeBody(std::string_view& bytes);

  std::size_t message_bytes_max_;
  std::size_t prefix_size_ = 0;
  std::size_t body_size_ = 0;
  unsigned char prefix_[kFramePrefixBytes] = {};
  std::string body_;
};

}  // namespace trireme::rpc
