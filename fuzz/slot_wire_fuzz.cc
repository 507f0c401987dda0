// Any bytes as what a slot's process and its keeper say to each other: user code may write to their
// socket.
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/archive.h"
#include "base/check.h"
#include "io/process.h"
#include "mapreduce/cluster/attempt.h"
#include "mapreduce/cluster/slot_wire.h"

namespace trireme::mapreduce {
namespace {

/// Frames of `bytes` as they arrive in pieces of at most `piece` bytes.
std::vector<SlotFrame> Receive(std::string_view bytes, std::size_t piece) {
  auto sockets = io::MakeSocketPair();
  TRIREME_CHECK(sockets.ok());
  FrameReader reader;
  std::vector<SlotFrame> frames;
  while (!bytes.empty()) {
    const std::size_t size = std::min(piece, bytes.size());
    TRIREME_CHECK(::send(sockets->first.get(), bytes.data(), size, 0) ==
                  static_cast<ssize_t>(size));
    bytes.remove_prefix(size);
    const bool fine = reader.Fill(sockets->second.get());
    while (auto frame = reader.Next()) frames.push_back(*std::move(frame));
    if (!fine) break;
  }
  return frames;
}

/// What decodes, encodes to something that decodes to the same.
template <typename T, typename EncodeT, typename DecodeT>
void RoundTrip(std::string_view bytes, EncodeT encode, DecodeT decode) {
  T value;
  if (!decode(bytes, &value)) return;
  const std::string encoded = encode(value);
  T again;
  TRIREME_CHECK(decode(encoded, &again));
  TRIREME_CHECK(encode(again) == encoded);
}

template <typename T>
void RoundTripFields(std::string_view bytes) {
  RoundTrip<T>(bytes, EncodeFields<T>, DecodeFields<T>);
}

template <typename T>
void RoundTripChecked(std::string_view bytes) {
  RoundTrip<T>(
      bytes, [](const T& value) { return Encode(value); },
      [](std::string_view from, T* to) { return Decode(from, to); });
}

void DecodePayload(std::string_view payload) {
  RoundTripFields<SlotSetup>(payload);
  RoundTripFields<MapInputAnswer>(payload);
  RoundTripFields<FailedAnswer>(payload);
  RoundTripFields<std::uint32_t>(payload);
  RoundTripChecked<JobSetup>(payload);
  RoundTripChecked<AttemptSpec>(payload);
  RoundTripChecked<MapInput>(payload);
  RoundTripChecked<TaskResult>(payload);
}

}  // namespace
}  // namespace trireme::mapreduce

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::mapreduce;  // NOLINT
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  DecodePayload(bytes);
  const std::vector<SlotFrame> frames = Receive(bytes, 1u << 16);
  for (const SlotFrame& frame : frames) DecodePayload(frame.payload);
  // However the bytes are cut, the frames are the same.
  const std::vector<SlotFrame> pieces = Receive(bytes, 1 + data[0]);
  TRIREME_CHECK(frames.size() == pieces.size());
  for (std::size_t i = 0; i < frames.size(); ++i)
    TRIREME_CHECK(frames[i].type == pieces[i].type && frames[i].payload == pieces[i].payload);
  return 0;
}
