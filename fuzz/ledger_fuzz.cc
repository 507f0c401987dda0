// Any bytes as the head and the chunks of a coordinator's journal in a KV, and as batches of a
// sound one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "mapreduce/ledger/fake_store.h"
#include "mapreduce/ledger/ledger.h"

namespace trireme::mapreduce::ledger {
namespace {

absl::StatusOr<Loaded> Load(const FakeStore& store, const Limits& limits) {
  Loader loader("p", limits);
  while (const auto read = loader.Next()) {
    if (absl::Status status = loader.Step(store.Run(*read)); !status.ok()) return status;
  }
  return loader.Take();
}

/// The bytes cut into pieces by themselves.
std::vector<std::string> Cut(std::string_view bytes) {
  std::vector<std::string> pieces;
  while (!bytes.empty()) {
    const std::size_t size = std::min<std::size_t>(bytes.size(), 1 + (bytes[0] & 63));
    pieces.emplace_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return pieces;
}

/// Chunks of any bytes below a sound head.
void ReadChunks(std::string_view bytes) {
  FakeStore store;
  const Layout layout("p");
  store.PutKey(layout.Head(), EncodeHead({1, 1}));
  std::uint64_t sequence = 0;
  for (std::string& piece : Cut(bytes)) store.PutKey(layout.Chunk(1, sequence++), std::move(piece));
  Load(store, {}).status().IgnoreError();
}

/// A chunk with a right checksum around any frames.
void ReadFrames(std::string_view bytes, std::uint8_t flags) {
  FakeStore store;
  const Layout layout("p");
  store.PutKey(layout.Head(), EncodeHead({1, 1}));
  std::uint32_t checksum = 0;
  const ChunkHeader header{(flags & 1) != 0, (flags & 2) != 0, 1, 0, 1};
  store.PutKey(layout.Chunk(1, 0), EncodeChunk(header, bytes, 0, &checksum));
  Load(store, {}).status().IgnoreError();
}

void ReadHead(std::string_view bytes) {
  const auto head = DecodeHead("head", bytes);
  if (head.ok()) TRIREME_CHECK(EncodeHead(*head) == bytes);
}

/// What is written comes back, in chunks of any size.
void RoundTrip(std::string_view bytes, std::uint8_t size) {
  Limits limits;
  limits.write_bytes_max = 16 + size;
  FakeStore store;
  const Fence fence{"leader", store.PutKey("leader", "")};
  Ledger ledger("p", fence, {}, limits);
  const std::vector<std::string> batches = Cut(bytes);
  for (const std::string& batch : batches) ledger.Append(0, batch, Urgency::kAtOnce);
  for (Output output = ledger.TakeOutput(); output.write; output = ledger.TakeOutput()) {
    ledger.Step(0, store.Run(*output.write));
  }
  const auto loaded = Load(store, limits);
  TRIREME_CHECK(loaded.ok() && loaded->batches == batches);
}

}  // namespace
}  // namespace trireme::mapreduce::ledger

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::mapreduce::ledger;  // NOLINT
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  switch (data[0] % 4) {
    case 0:
      ReadChunks(bytes);
      break;
    case 1:
      ReadFrames(bytes, data[1]);
      break;
    case 2:
      ReadHead(bytes);
      break;
    default:
      RoundTrip(bytes, data[1]);
  }
  return 0;
}
