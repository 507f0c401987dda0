// Reads any bytes as the stream of a KV state, and as the entries of a block whose checksum is
// right. What is taken as a state opens, and answers every read with a result or with DATA_LOSS.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "kv/model/model.h"
#include "kv/model/state_stream.h"
#include "kv/store/memory_store.h"

namespace trireme::kv {
namespace {

bool SoundOrLost(const absl::Status& status) {
  return status.ok() || absl::IsDataLoss(status);
}

void Use(OrderedStore& store) {
  const auto model = Model::Open(store);
  TRIREME_CHECK(SoundOrLost(model.status()));
  if (!model.ok()) return;
  Error error = Error::kNone;
  RangeResult all;
  const auto view = (*model)->View();
  TRIREME_CHECK(SoundOrLost(view->Range({.key = kFromKey, .end = kFromKey}, &error, &all)));
  TRIREME_CHECK(SoundOrLost(view->Hash(0).status()));
  TRIREME_CHECK(SoundOrLost(view->Leases().status()));
  TRIREME_CHECK(SoundOrLost((*model)->Sweep(100).status()));
}

void Read(std::string_view stream) {
  MemoryStore store;
  StateReader reader(store);
  if (reader.Feed(stream).ok() && reader.Finish().ok()) Use(store);
}

std::string Block(std::string_view entries) {
  std::string stream = "TRIKVST1";
  AppendLittle(stream, static_cast<std::uint32_t>(entries.size()));
  AppendLittle(stream, Crc32c(entries));
  return stream.append(entries);
}

std::string End(std::string_view entries, std::uint64_t count) {
  std::string end;
  AppendLittle(end, std::uint32_t{0});
  AppendLittle(end, Crc32c(entries));
  AppendLittle(end, count);
  return end;
}

}  // namespace
}  // namespace trireme::kv

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::kv;
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    Read(bytes);
  } else {
    Read(Block(bytes) + End(bytes, data[0] / 2 % 8));
  }
  return 0;
}
