#pragma once

#include <trireme/mapreduce.h>

#include <cstdint>
#include <cstring>
#include <string_view>

namespace trireme::mapreduce {

using internal::FoldMultiply;
using internal::HashPrefix;

/// Goes on hashing the bytes of a key behind its first 16, which lie right before `tail`.
inline std::uint64_t HashTail(std::uint64_t hash, std::string_view tail) {
  while (tail.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, tail.data(), 8);
    hash = FoldMultiply(hash ^ word, 0xA24BAED4963EE407ull);
    tail.remove_prefix(8);
  }
  // The last word, zero-padded, out of the eight bytes that end with it: some of them were hashed
  // before, but a load of fixed size is several times faster than a copy of unknown size.
  std::uint64_t word = 0;
  std::memcpy(&word, tail.data() + tail.size() - 8, 8);
  word = tail.empty() ? 0 : word >> (8 * (8 - tail.size()));
  return FoldMultiply(hash ^ word, 0x9FB21C651E98DF25ull ^ tail.size());
}

inline internal::KeyPrefix PrefixOf(std::string_view key) {
  const std::size_t size =
      key.size() < internal::kInlineKeyBytes ? key.size() : internal::kInlineKeyBytes;
  return internal::LoadPrefix(key.data(), size);
}

inline std::uint64_t HashKey(std::string_view key) {
  const std::uint64_t hash = HashPrefix(PrefixOf(key), key.size());
  if (key.size() <= internal::kInlineKeyBytes) [[likely]]
    return hash;
  return HashTail(hash, key.substr(internal::kInlineKeyBytes));
}

/// Mixed once more, so that the keys of one partition still spread over a whole hash table.
inline std::uint32_t PartitionOfHash(std::uint64_t hash, std::uint32_t partitions) {
  hash = (hash ^ (hash >> 32)) * 0x9E3779B97F4A7C15ull;
  return static_cast<std::uint32_t>((static_cast<unsigned __int128>(hash) * partitions) >> 64);
}

}  // namespace trireme::mapreduce
