#pragma once

#include <trireme/mapreduce.h>

#include <cstdint>
#include <cstring>
#include <string_view>

namespace trireme::mapreduce {

/// The engine's hash of keys: multiply-and-fold over 64-bit words (as in wyhash). The same on every
/// machine, because partitions depend on it; changing it changes which part file a key is in.
inline std::uint64_t FoldMultiply(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t HashTail(std::uint64_t hash, std::string_view tail) {
  while (tail.size() >= 8) {
    std::uint64_t word;
    std::memcpy(&word, tail.data(), 8);
    hash = FoldMultiply(hash ^ word, 0xA24BAED4963EE407ull);
    tail.remove_prefix(8);
  }
  std::uint64_t word = 0;
  if (!tail.empty()) std::memcpy(&word, tail.data(), tail.size());
  return FoldMultiply(hash ^ word, 0x9FB21C651E98DF25ull ^ tail.size());
}

inline std::uint64_t HashPrefix(const internal::KeyPrefix& prefix, std::uint64_t key_size) {
  return FoldMultiply(prefix.k0 ^ 0x9FB21C651E98DF25ull,
                      prefix.k1 ^ 0xA24BAED4963EE407ull ^ key_size);
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
