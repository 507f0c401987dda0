// Reads any bytes as what members of a KV cluster write or tell of themselves. What decodes encodes
// to the same.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "kv/server/peer_status.h"
#include "kv/server/roster.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace trireme::kv;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size > 0 && bytes[0] != 2) bytes[0] = 1;  // The format.
  if (const auto status = DecodePeerStatus(bytes)) {
    const auto again = DecodePeerStatus(Encode(*status));
    TRIREME_CHECK(again && again->elections == status->elections);
  }
  if (const auto note = DecodePeerNote(bytes))
    TRIREME_CHECK(DecodePeerNote(Encode(*note)).has_value());
  if (const auto note = DecodeAttributesNote(bytes))
    TRIREME_CHECK(DecodeAttributesNote(Encode(*note)).has_value());
  (void)DecodeMembersAnswer(bytes);
  return 0;
}
