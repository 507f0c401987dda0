#include "mapreduce/engine/text_search.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

#include "base/check.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "mapreduce/engine/text_search.cc"
#include "hwy/foreach_target.h"  // compiles this file once per instruction set
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace trireme::mapreduce {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// The first place in [0, places) where `literal` stands; `places` if none. text[0, places + size -
/// 1) is readable. `first` and `second` are positions in the literal.
std::size_t FindLiteral(const char* text, std::size_t places, const char* literal, std::size_t size,
                        std::size_t first, std::size_t second) {
  const hn::CappedTag<std::uint8_t, 64> tag;
  const std::size_t lanes = hn::Lanes(tag);
  const auto a = hn::Set(tag, static_cast<std::uint8_t>(literal[first]));
  const auto b = hn::Set(tag, static_cast<std::uint8_t>(literal[second]));
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text);
  const auto candidates = [&](std::size_t at) HWY_ATTR {
    return hn::And(hn::Eq(a, hn::LoadU(tag, bytes + at + first)),
                   hn::Eq(b, hn::LoadU(tag, bytes + at + second)));
  };
  const auto verify = [&](std::size_t at, auto mask) HWY_ATTR {
    std::uint64_t bits = 0;
    hn::StoreMaskBits(tag, mask, reinterpret_cast<std::uint8_t*>(&bits));
    for (; bits != 0; bits &= bits - 1) {
      const std::size_t place = at + static_cast<std::size_t>(std::countr_zero(bits));
      if (std::memcmp(text + place, literal, size) == 0) return place;
    }
    return places;
  };
  std::size_t at = 0;
  for (; at + 4 * lanes <= places; at += 4 * lanes) {
    const auto m0 = candidates(at);
    const auto m1 = candidates(at + lanes);
    const auto m2 = candidates(at + 2 * lanes);
    const auto m3 = candidates(at + 3 * lanes);
    if (HWY_LIKELY(hn::AllFalse(tag, hn::Or(hn::Or(m0, m1), hn::Or(m2, m3))))) continue;
    std::size_t place = verify(at, m0);
    if (place == places) place = verify(at + lanes, m1);
    if (place == places) place = verify(at + 2 * lanes, m2);
    if (place == places) place = verify(at + 3 * lanes, m3);
    if (place != places) return place;
  }
  for (; at + lanes <= places; at += lanes) {
    const std::size_t place = verify(at, candidates(at));
    if (place != places) return place;
  }
  for (; at < places; ++at) {
    if (text[at] == literal[0] && std::memcmp(text + at, literal, size) == 0) return at;
  }
  return places;
}

}  // namespace HWY_NAMESPACE
}  // namespace trireme::mapreduce
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trireme::mapreduce {

HWY_EXPORT(FindLiteral);

LiteralFinder::LiteralFinder(std::string literal)
    : literal_(std::move(literal)), first_(0), second_(literal_.size() - 1) {
  TRIREME_CHECK(!literal_.empty());
}

void LiteralFinder::Tune(std::string_view sample) {
  std::array<std::size_t, 256> count{};
  for (const char byte : sample) ++count[static_cast<unsigned char>(byte)];
  const auto rarity = [&](std::size_t at) {
    return count[static_cast<unsigned char>(literal_[at])];
  };
  std::size_t rarest = 0, next = literal_.size() - 1;
  if (rarity(next) < rarity(rarest)) std::swap(rarest, next);
  for (std::size_t i = 1; i + 1 < literal_.size(); ++i) {
    if (rarity(i) < rarity(rarest)) {
      next = std::exchange(rarest, i);
    } else if (rarity(i) < rarity(next)) {
      next = i;
    }
  }
  first_ = std::min(rarest, next);
  second_ = std::max(rarest, next);
}

std::size_t LiteralFinder::Find(std::string_view text, std::size_t from) const {
  if (from > text.size() || text.size() - from < literal_.size()) return std::string_view::npos;
  const std::size_t places = text.size() - from - literal_.size() + 1;
  const std::size_t place = HWY_DYNAMIC_DISPATCH(FindLiteral)(
      text.data() + from, places, literal_.data(), literal_.size(), first_, second_);
  return place == places ? std::string_view::npos : from + place;
}

std::string_view LineAround(std::string_view text, std::size_t at) {
  const void* before = at == 0 ? nullptr : ::memrchr(text.data(), '\n', at);
  const std::size_t begin =
      before == nullptr
          ? 0
          : static_cast<std::size_t>(static_cast<const char*>(before) - text.data()) + 1;
  const std::size_t end = std::min(text.find('\n', at), text.size());
  return text.substr(begin, end - begin);
}

}  // namespace trireme::mapreduce
#endif  // HWY_ONCE
