// Reads any bytes as a command of the KV model. What decodes encodes to a command that decodes to
// the same, and applies, whatever it asks.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "kv/model/command_codec.h"
#include "kv/model/model.h"
#include "kv/store/memory_store.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::kv;
  // Most of random bytes is no command: the first two are put right.
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size >= 2 && bytes[0] != 2) {
    bytes[0] = 1;
    bytes[1] = static_cast<char>(1 + data[1] % 10);
  }
  const auto command = DecodeCommand(bytes);
  if (!command.ok()) return 0;
  const std::string again = EncodeCommand(*command);
  const auto twice = DecodeCommand(again);
  TRIREME_CHECK(twice.ok() && EncodeCommand(*twice) == again);
  MemoryStore store;
  const auto model = Model::Open(store);
  for (std::uint64_t index = 1; index <= 3; ++index) {
    Outcome outcome;
    TRIREME_CHECK((*model)->Apply(index, 1, bytes, &outcome).ok());
    TRIREME_CHECK((*model)->Commit().ok());
  }
  while (*(*model)->Sweep(5)) {
  }
  TRIREME_CHECK((*model)->View()->Hash(0).ok());
  return 0;
}
