#include "mapreduce/engine/tokenizer.h"

#include <algorithm>
#include <bit>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mapreduce/engine/tokenizer.cc"
#include "hwy/foreach_target.h"  // compiles this file once per instruction set
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace trireme::mapreduce {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// FindEdges, the entry: writes where words begin and end in `size` bytes, in turn, as positions
// plus `base`; returns the end of what it wrote. When the last word is not ended, only its
// beginning is there. With `in_word`, `to[0]` is the beginning of a word that goes on here. `to`
// has room for 64 entries more than are needed.

/// One bit for each of 64 bytes: set where it is white space.
HWY_INLINE std::uint64_t SpaceMask(const char* data) {
  const hn::CappedTag<std::uint8_t, 64> tag;
  const std::size_t lanes = hn::Lanes(tag);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(data);
  std::uint64_t mask = 0;
  for (std::size_t i = 0; i < 64; i += lanes) {
    const auto v = hn::LoadU(tag, bytes + i);
    const auto from_tab = hn::Sub(v, hn::Set(tag, 9));
    const auto control = hn::Eq(hn::Min(from_tab, hn::Set(tag, 4)), from_tab);
    std::uint64_t bits = 0;
    hn::StoreMaskBits(tag, hn::Or(control, hn::Eq(v, hn::Set(tag, ' '))),
                      reinterpret_cast<std::uint8_t*>(&bits));
    mask |= bits << i;
  }
  return mask;
}

/// SpaceMask of up to 64 bytes; those that are missing count as white space.
HWY_INLINE std::uint64_t SpaceMask(const char* data, std::size_t size) {
  if (HWY_LIKELY(size >= 64)) return SpaceMask(data);
  char padded[64];
  std::memset(padded, ' ', sizeof padded);
  std::memcpy(padded, data, size);
  return SpaceMask(padded);
}

#if HWY_TARGET <= HWY_AVX3

/// Appends `base` plus the positions of the bits that are set; writes up to 64 entries in any case.
/// How many bits there are is hard to predict, so nothing branches on them.
HWY_INLINE std::uint32_t* AppendPositions(std::uint64_t bits, std::uint32_t base,
                                          std::uint32_t* to) {
  const hn::FixedTag<std::uint32_t, 16> tag;
  auto positions = hn::Iota(tag, base);
  for (int i = 0; i < 4; ++i) {
    const std::uint64_t part = bits & 0xffff;
    const auto mask = hn::LoadMaskBits(tag, reinterpret_cast<const std::uint8_t*>(&part));
    hn::StoreU(hn::Compress(positions, mask), tag, to);
    to += std::popcount(part);
    positions = hn::Add(positions, hn::Set(tag, 16));
    bits >>= 16;
  }
  return to;
}

std::uint32_t* FindEdges(const char* data, std::size_t size, std::uint32_t base,
                         std::uint32_t in_word, std::uint32_t* to) {
  std::uint64_t carry = in_word;
  to += in_word;
  for (std::size_t at = 0; at < size; at += 64) {
    const std::uint64_t word = ~SpaceMask(data + at, size - at);
    to = AppendPositions(word ^ (word << 1 | carry), base + static_cast<std::uint32_t>(at), to);
    carry = word >> 63;
  }
  return to;
}

#else

std::uint32_t* FindEdges(const char* data, std::size_t size, std::uint32_t base,
                         std::uint32_t in_word, std::uint32_t* to) {
  std::uint32_t begin = in_word != 0 ? *to : base;  // of the next word, if it is not empty
  for (std::size_t at = 0; at < size; at += 64) {
    const std::size_t left = size - at;
    std::uint64_t spaces = SpaceMask(data + at, left);
    if (left < 64) spaces &= (std::uint64_t{1} << left) - 1;
    for (; spaces != 0; spaces &= spaces - 1) {
      const std::uint32_t end = base + static_cast<std::uint32_t>(at) +
                                static_cast<std::uint32_t>(std::countr_zero(spaces));
      to[0] = begin;
      to[1] = end;
      to += begin < end ? 2 : 0;
      begin = end + 1;
    }
  }
  *to = begin;
  return to + (begin < base + size);
}

#endif

}  // namespace HWY_NAMESPACE
}  // namespace trireme::mapreduce
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trireme::mapreduce {

HWY_EXPORT(FindEdges);

std::span<const WordScanner::Span> WordScanner::Next() {
  static_assert(sizeof(Span) == 2 * sizeof(std::uint32_t));
  while (at_ < text_.size()) {
    const std::size_t size = std::min(kChunkBytes, text_.size() - at_);
    std::uint32_t* const first = edges_.data();
    if (in_word_ != 0) *first = word_begin_;
    std::uint32_t* end = HWY_DYNAMIC_DISPATCH(FindEdges)(
        text_.data() + at_, size, static_cast<std::uint32_t>(at_), in_word_, first);
    at_ += size;
    if (at_ == text_.size() && (end - first) % 2 != 0) *end++ = static_cast<std::uint32_t>(at_);
    in_word_ = (end - first) % 2;
    if (in_word_ != 0) word_begin_ = *--end;
    if (end != first) return {reinterpret_cast<const Span*>(first), reinterpret_cast<Span*>(end)};
  }
  return {};
}

}  // namespace trireme::mapreduce
#endif  // HWY_ONCE
