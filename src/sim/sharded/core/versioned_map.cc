#include "sim/sharded/core/versioned_map.h"

#include "base/bytes.h"

namespace trireme::sim::sharded {

std::string VersionedMap::Encode() const {
  std::string bytes;
  AppendVarint(bytes, values_.size());
  for (const auto& [key, value] : values_) {
    AppendSized(bytes, key);
    AppendVarint(bytes, value.version);
    AppendSized(bytes, value.bytes);
  }
  return bytes;
}

bool VersionedMap::Decode(std::string_view bytes) {
  values_.clear();
  ByteReader reader(bytes);
  std::uint64_t count = 0;
  if (!reader.Varint(&count)) return false;
  for (; count > 0; --count) {
    std::string_view key;
    std::string_view value;
    std::uint64_t version = 0;
    if (!reader.Sized(&key) || !reader.Varint(&version) || !reader.Sized(&value)) return false;
    values_[std::string(key)] = {std::string(value), version};
  }
  return reader.empty();
}

}  // namespace trireme::sim::sharded
