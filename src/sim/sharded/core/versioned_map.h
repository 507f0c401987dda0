#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "sim/sharded/core/command.h"

namespace trireme::sim::sharded {

/// Keys whose values have versions. A put says which version it replaces, 0 for a key that is not
/// there, so that one that comes twice counts once, without a session of its client.
class VersionedMap {
 public:
  Result Apply(const Get& get) const {
    const auto found = values_.find(get.key);
    if (found == values_.end()) return {Code::kNoKey, "", 0};
    return {Code::kOk, found->second.bytes, found->second.version};
  }
  Result Apply(const Put& put) {
    const auto found = values_.find(put.key);
    const std::uint64_t version = found == values_.end() ? 0 : found->second.version;
    if (put.version != version) return {version == 0 ? Code::kNoKey : Code::kWrongVersion, "", 0};
    values_[put.key] = {put.value, version + 1};
    return {Code::kOk, "", version + 1};
  }

  std::string Encode() const;
  [[nodiscard]] bool Decode(std::string_view bytes);

 private:
  struct Value {
    std::string bytes;
    std::uint64_t version = 0;
  };
  std::map<std::string, Value> values_;
};

}  // namespace trireme::sim::sharded
