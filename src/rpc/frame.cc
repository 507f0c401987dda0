#include "rpc/frame.h"

#include <algorithm>

#include "fmt/format.h"

namespace trireme::rpc {
namespace {

/// What a message's claimed length may reserve before its bytes are there.
constexpr std::size_t kReserveBytesMax = 1u << 20;

}  // namespace

bool FrameDecoder::TakePrefix(std::string_view& bytes) {
  while (prefix_size_ < kFramePrefixBytes && !bytes.empty()) {
    prefix_[prefix_size_++] = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
  }
  return prefix_size_ == kFramePrefixBytes;
}

absl::Status FrameDecoder::CheckPrefix() {
  body_size_ = 0;
  for (std::size_t i = 1; i < kFramePrefixBytes; ++i) body_size_ = body_size_ << 8 | prefix_[i];
  if (prefix_[0] == 1) {
    return absl::UnimplementedError(
        "the message is compressed; this side accepts grpc-encoding identity only");
  }
  if (prefix_[0] != 0) {
    return absl::InternalError(
        fmt::format("a message begins with flag {} where gRPC knows 0 and 1", prefix_[0]));
  }
  if (body_size_ > message_bytes_max_) {
    return absl::ResourceExhaustedError(
        fmt::format("a message of {} bytes is over the limit of {}; send less or raise the "
                    "receiver's receive_message_bytes_max",
                    body_size_, message_bytes_max_));
  }
  body_.reserve(std::min(body_size_, kReserveBytesMax));
  return absl::OkStatus();
}

void FrameDecoder::TakeBody(std::string_view& bytes) {
  const std::size_t taken = std::min(bytes.size(), body_size_ - body_.size());
  body_.append(bytes.substr(0, taken));
  bytes.remove_prefix(taken);
}

}  // namespace trireme::rpc
