// What a Raft peer sends, from its hello on, in whatever pieces it comes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "raft/transport/frame_reader.h"

namespace {

using trireme::raft::tcp::FrameReader;

constexpr std::size_t kBodyBytesMax = 1u << 16;

/// The same stream in parts that its first byte decides, partly into the frame's own place.
void Read(std::string_view bytes, bool checksummed) {
  FrameReader reader(checksummed);
  const std::size_t part = bytes.empty() ? 1 : static_cast<unsigned char>(bytes.front()) + 1u;
  bool first = true;
  const auto deliver = [&](trireme::SharedBytes frame) {
    TRIREME_CHECK(!frame.empty() && frame.size() <= kBodyBytesMax);
    if (first) static_cast<void>(trireme::raft::tcp::DecodeHello(frame.view()));
    first = false;
    reader.set_body_bytes_max(kBodyBytesMax);
    return true;
  };
  while (!bytes.empty()) {
    const std::size_t room = reader.rest_size() > 0 ? reader.rest_size() : part;
    const std::size_t count = std::min({bytes.size(), part, room});
    absl::Status status;
    if (reader.rest_size() > 0) {
      bytes.copy(reader.rest_data(), count);
      status = reader.Filled(count, deliver);
    } else {
      status = reader.Take(bytes.substr(0, count), deliver);
    }
    if (!status.ok()) return;
    bytes.remove_prefix(count);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  Read(bytes, true);
  Read(bytes, false);
  static_cast<void>(trireme::raft::tcp::DecodeHello(bytes));
  return 0;
}
