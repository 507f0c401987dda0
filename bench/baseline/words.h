#pragma once

#include <hwy/highway.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

/// A word is a longest run of bytes that are not ASCII white space (space, \t \n \v \f \r).
namespace trireme::baseline {

/// Bit i is set when byte i of the 64 bytes at `p` is white space.
inline std::uint64_t SpaceMask(const char* p) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::CappedTag<std::uint8_t, 64> lanes;
  std::uint8_t bits[64];
  for (std::size_t i = 0; i < 64; i += hn::Lanes(lanes)) {
    const auto bytes = hn::LoadU(lanes, reinterpret_cast<const std::uint8_t*>(p) + i);
    const auto from_tab = hn::Sub(bytes, hn::Set(lanes, '\t'));
    const auto control = hn::Eq(hn::Min(from_tab, hn::Set(lanes, '\r' - '\t')), from_tab);
    hn::StoreMaskBits(lanes, hn::Or(control, hn::Eq(bytes, hn::Set(lanes, ' '))), bits + i / 8);
  }
  std::uint64_t mask;
  std::memcpy(&mask, bits, sizeof mask);
  return mask;
}

/// Writes the positions of the set bits of `mask`, each plus `base`, from `to` on; returns the end.
/// May write up to 64 entries beyond it. Sixteen at once, for no branch on the number of words.
inline std::uint32_t* StoreBitPositions(std::uint64_t mask, std::uint32_t base, std::uint32_t* to) {
  std::uint32_t* const end = to + std::popcount(mask);
  for (;;) {
    for (int i = 0; i < 16; ++i) {
      // The top bit changes no position that counts, and spares the compiler the case of zero.
      to[i] = base + static_cast<std::uint32_t>(std::countr_zero(mask | std::uint64_t{1} << 63));
      mask &= mask - 1;
    }
    if (mask == 0) return end;
    to += 16;
  }
}

inline constexpr std::size_t kWordBlockBytes = 4096;

/// Calls word(start, length) for every word of `text`, whose last word may end with the text. First
/// finds the white space of a block, then walks it: the two loops have few branches to guess wrong.
/// 64 bytes behind the text must be readable.
template <typename Word>
inline void ForEachWord(std::string_view text, Word word) {
  std::uint32_t spaces[kWordBlockBytes + 64];
  const char* start = text.data();
  const char* const end = text.data() + text.size();
  for (const char* block = start; block < end; block += kWordBlockBytes) {
    std::uint32_t* last = spaces;
    const std::size_t size =
        std::min<std::size_t>(kWordBlockBytes, static_cast<std::size_t>(end - block));
    for (std::uint32_t at = 0; at < size; at += 64) {
      __builtin_prefetch(block + at + kWordBlockBytes);
      std::uint64_t mask = SpaceMask(block + at);
      if (size - at < 64) mask &= (std::uint64_t{1} << (size - at)) - 1;
      last = StoreBitPositions(mask, at, last);
    }
    for (const std::uint32_t* space = spaces; space != last; ++space) {
      const char* word_end = block + *space;
      if (word_end != start) [[likely]]
        word(start, static_cast<std::size_t>(word_end - start));
      start = word_end + 1;
    }
  }
  if (start < end) word(start, static_cast<std::size_t>(end - start));
}

}  // namespace trireme::baseline
