#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace trireme::linear {

/// Gives equal strings equal small numbers, so that states are compared in one instruction.
class Interner {
 public:
  using Id = std::uint32_t;

  Id Of(std::string_view text) {
    const auto [entry, fresh] = ids_.try_emplace(std::string(text), Id(texts_.size()));
    if (fresh) texts_.emplace_back(text);
    return entry->second;
  }

  /// Of `front` with `back` behind it.
  Id Joined(Id front, Id back) {
    const auto [entry, fresh] = joined_.try_emplace(std::pair(front, back), Id{0});
    if (!fresh) return entry->second;
    const Id id = Of(texts_[front] + texts_[back]);
    joined_[std::pair(front, back)] = id;
    return id;
  }

  const std::string& Text(Id id) const { return texts_[id]; }

 private:
  absl::flat_hash_map<std::string, Id> ids_;
  absl::flat_hash_map<std::pair<Id, Id>, Id> joined_;
  std::vector<std::string> texts_;
};

}  // namespace trireme::linear
