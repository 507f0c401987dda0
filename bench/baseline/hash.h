#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace trireme::baseline {

inline std::uint64_t Mix(std::uint64_t a, std::uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// The first min(size, 8) bytes, padded with zeros; always reads 8.
inline std::uint64_t LoadPadded(const char* p, std::size_t size) {
  std::uint64_t value;
  std::memcpy(&value, p, sizeof value);
  return size >= 8 ? value : value & ((std::uint64_t{1} << (8 * size)) - 1);
}

/// Reads up to 8 bytes beyond the end.
inline std::uint64_t HashBytes(const char* p, std::size_t size) {
  std::uint64_t hash = 0x9E3779B97F4A7C15ull ^ size;
  for (; size > 8; p += 8, size -= 8) hash = Mix(hash ^ LoadPadded(p, 8), 0xA24BAED4963EE407ull);
  return Mix(hash ^ LoadPadded(p, size), 0x9FB21C651E98DF25ull);
}

}  // namespace trireme::baseline
