#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "sim/linear/verdict.h"

namespace trireme::linear {

/// A set of slots below kPendingMax.
class PendingSet {
 public:
  bool Has(std::size_t slot) const { return (words_[slot / 64] >> (slot % 64) & 1) != 0; }
  void Add(std::size_t slot) { words_[slot / 64] |= std::uint64_t{1} << (slot % 64); }
  void Remove(std::size_t slot) { words_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64)); }

  bool IsSubsetOf(const PendingSet& other) const {
    std::uint64_t extra = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) extra |= words_[i] & ~other.words_[i];
    return extra == 0;
  }
  PendingSet Without(const PendingSet& other) const {
    PendingSet result = *this;
    for (std::size_t i = 0; i < words_.size(); ++i) result.words_[i] &= ~other.words_[i];
    return result;
  }
  PendingSet And(const PendingSet& other) const {
    PendingSet result = *this;
    for (std::size_t i = 0; i < words_.size(); ++i) result.words_[i] &= other.words_[i];
    return result;
  }

  friend bool operator==(const PendingSet&, const PendingSet&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const PendingSet& set) {
    return H::combine(std::move(h), set.words_);
  }

 private:
  std::array<std::uint64_t, kPendingMax / 64> words_{};
};

}  // namespace trireme::linear
