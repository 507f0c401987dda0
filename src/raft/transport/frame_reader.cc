#include "raft/transport/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/crc32c.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::raft::tcp {

absl::Status FrameReader::Filled(std::size_t count, Deliver deliver) {
  // Now, while the bytes are near.
  if (checksummed_ && body_) checksum_ = Crc32c({rest_data(), count}, checksum_);
  have_ += count;
  return body_ && have_ == header_.body_bytes ? Finish(deliver) : absl::OkStatus();
}

absl::Status FrameReader::Take(std::string_view bytes, Deliver deliver) {
  while (!bytes.empty() && !stopped_) {
    if (!body_) {
      if (!TakeHeader(&bytes)) break;
      TRIREME_RETURN_IF_ERROR(Begin());
      if (!body_) continue;
    }
    const std::size_t count = std::min(bytes.size(), rest_size());
    std::memcpy(rest_data(), bytes.data(), count);
    bytes.remove_prefix(count);
    TRIREME_RETURN_IF_ERROR(Filled(count, deliver));
  }
  return absl::OkStatus();
}

/// False when it is not there whole.
bool FrameReader::TakeHeader(std::string_view* bytes) {
  const std::size_t count = std::min(bytes->size(), kFrameHeaderBytes - header_have_);
  std::memcpy(header_bytes_ + header_have_, bytes->data(), count);
  bytes->remove_prefix(count);
  header_have_ += count;
  if (header_have_ < kFrameHeaderBytes) return false;
  header_have_ = 0;
  header_ = DecodeFrameHeader(header_bytes_);
  return true;
}

absl::Status FrameReader::Begin() {
  if (header_.body_bytes > body_bytes_max_) {
    return absl::ResourceExhaustedError(
        fmt::format("a frame of {} bytes, over the limit of {}; give all nodes the same "
                    "frame_bytes_max",
                    header_.body_bytes, body_bytes_max_));
  }
  have_ = 0;
  checksum_ = checksummed_ ? ChecksumOfSize(header_.body_bytes) : 0;
  if (header_.body_bytes != 0) {
    body_ = std::make_shared_for_overwrite<char[]>(header_.body_bytes);
  } else if (checksum_ != header_.checksum) {
    return absl::DataLossError("an empty frame with a wrong checksum");
  }
  return absl::OkStatus();
}

absl::Status FrameReader::Finish(Deliver deliver) {
  const std::shared_ptr<char[]> body = std::exchange(body_, nullptr);
  if (checksum_ != header_.checksum) {
    return absl::DataLossError(
        fmt::format("a frame of {} bytes with a wrong checksum", header_.body_bytes));
  }
  stopped_ = !deliver(SharedBytes::Own(body, header_.body_bytes));
  return absl::OkStatus();
}

}  // namespace trireme::raft::tcp
