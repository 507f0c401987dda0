#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace trireme::mapreduce {

/// Sorting records by (partition, key, arrival) through 128-bit entries:
///
///     | partition | the key's first bits | id, 32 bits |
///
/// ids grow with arrival, so one vector sort of the entries is stable and decides almost every pair
/// without touching a key. What it leaves tied (equal in all the key bits held) is refined with the
/// keys' next twelve bytes, and so on.
using SortEntry = unsigned __int128;

/// Sorts ascending; vectorised for the machine at hand.
void SortEntries(std::span<SortEntry> entries);

/// How many bits of an entry hold the partition.
inline int PartitionBits(std::uint32_t partitions) {
  return std::bit_width(partitions - 1);
}

namespace key_sort_internal {
/// The first 12 bytes of `key` from `depth` on, big-endian and zero-padded, in the low 96 bits.
inline SortEntry Window(std::string_view key, std::size_t depth) {
  unsigned char bytes[16] = {};
  if (depth < key.size())
    std::memcpy(bytes, key.data() + depth, std::min<std::size_t>(12, key.size() - depth));
  std::uint64_t high, low;
  std::memcpy(&high, bytes, 8);
  std::memcpy(&low, bytes + 8, 8);
  const SortEntry all =
      static_cast<SortEntry>(__builtin_bswap64(high)) << 64 | __builtin_bswap64(low);
  return all >> 32;
}
inline constexpr SortEntry kIdMask = 0xffffffffu;
inline constexpr std::size_t kWindowBytes = 12;
inline constexpr std::size_t kSmallGroup = 24;
}  // namespace key_sort_internal

/// The entry of a key whose 16-byte big-endian prefix is (high, low).
inline SortEntry MakeEntry(std::uint32_t partition, int partition_bits, std::uint64_t high,
                           std::uint64_t low, std::uint32_t id) {
  SortEntry key = static_cast<SortEntry>(high) << 64 | low;
  if (partition_bits != 0)
    key = key >> partition_bits | static_cast<SortEntry>(partition) << (128 - partition_bits);
  return (key & ~key_sort_internal::kIdMask) | id;
}

inline std::uint32_t EntryId(SortEntry entry) {
  return static_cast<std::uint32_t>(entry);
}
inline std::uint32_t EntryPartition(SortEntry entry, int partition_bits) {
  return partition_bits == 0 ? 0 : static_cast<std::uint32_t>(entry >> (128 - partition_bits));
}

namespace key_sort_internal {

template <typename KeyOf>
void RefineTies(std::span<SortEntry> entries, std::size_t held, const KeyOf& key_of);

/// Orders entries whose keys agree, zero-padded, in their first `depth` bytes. Their key bits are
/// overwritten.
template <typename KeyOf>
void SortTied(std::span<SortEntry> group, std::size_t depth, const KeyOf& key_of) {
  const auto less = [&](SortEntry a, SortEntry b) {
    const int order = key_of(EntryId(a)).compare(key_of(EntryId(b)));
    return order != 0 ? order < 0 : EntryId(a) < EntryId(b);
  };
  std::size_t shortest = SIZE_MAX;
  for (SortEntry entry : group) shortest = std::min(shortest, key_of(EntryId(entry)).size());
  // A key that ended before `depth` ties only with its own continuation by NULs: too rare to be
  // quick.
  if (group.size() <= kSmallGroup || shortest < depth)
    return std::sort(group.begin(), group.end(), less);
  for (SortEntry& entry : group) {
    const std::uint32_t id = EntryId(entry);
    entry = Window(key_of(id), depth) << 32 | id;
  }
  SortEntries(group);
  RefineTies(group, depth + kWindowBytes, key_of);
}

/// Given entries sorted by the first `held` bytes of their keys, orders those that tie.
template <typename KeyOf>
void RefineTies(std::span<SortEntry> entries, std::size_t held, const KeyOf& key_of) {
  for (std::size_t begin = 0, end; begin < entries.size(); begin = end) {
    const SortEntry head = entries[begin] & ~kIdMask;
    end = begin + 1;
    while (end < entries.size() && (entries[end] & ~kIdMask) == head) ++end;
    if (end - begin == 1) continue;
    const std::span<SortEntry> tied = entries.subspan(begin, end - begin);
    const std::size_t size = key_of(EntryId(tied[0])).size();
    bool equal = size <= held;
    for (std::size_t i = 1; equal && i < tied.size(); ++i)
      equal = key_of(EntryId(tied[i])).size() == size;
    if (equal) continue;
    SortTied(tied, held, key_of);
    for (SortEntry& entry : tied) entry = head | EntryId(entry);
  }
}

}  // namespace key_sort_internal

/// Sorts entries made by MakeEntry by (partition, key, id). `key_of(id)` gives the whole key.
template <typename KeyOf>
void SortByKey(std::span<SortEntry> entries, int partition_bits, const KeyOf& key_of) {
  SortEntries(entries);
  const auto whole_bytes_held = static_cast<std::size_t>(96 - partition_bits) / 8;
  key_sort_internal::RefineTies(entries, whole_bytes_held, key_of);
}

}  // namespace trireme::mapreduce
