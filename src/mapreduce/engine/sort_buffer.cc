#include "mapreduce/engine/sort_buffer.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "mapreduce/engine/hash.h"

namespace trireme::mapreduce {
namespace {
/// Record offsets are 32 bits.
constexpr std::size_t kArenaMax = (1ull << 32) - (1 << 20);
constexpr std::size_t kSlack = 64;
}  // namespace

void SortBuffer::Reset(std::uint32_t partitions, std::size_t budget_bytes) {
  partition_bits_ = PartitionBits(partitions);
  Clear();
  budget_bytes = std::min(budget_bytes, kArenaMax);
  if (budget_bytes == budget_bytes_) return;
  budget_bytes_ = budget_bytes;
  Allocate(budget_bytes_ + kSlack);
}

void SortBuffer::Allocate(std::size_t size_bytes) {
  region_ = MemoryRegion();  // never both at once
  region_ = MemoryRegion(size_bytes);
  oversized_ = size_bytes > budget_bytes_ + kSlack;
}

void SortBuffer::Clear() {
  count_ = arena_used_ = 0;
  if (oversized_) Allocate(budget_bytes_ + kSlack);
}

void SortBuffer::Free() {
  *this = SortBuffer();
}

bool SortBuffer::Add(std::uint32_t partition, std::string_view key, std::string_view value) {
  const std::size_t most = key.size() + value.size() + 2 * kVarintBytesMax;
  if (arena_used_ + most + (count_ + 1) * sizeof(SortEntry) > budget_bytes_) [[unlikely]] {
    if (count_ != 0) return false;
    // A record larger than the whole budget gets the memory it needs, this once.
    TRIREME_CHECK(most < kArenaMax);
    Allocate(most + sizeof(SortEntry) + kSlack);
  }
  char* const start = region_.data() + arena_used_;
  char* at = StoreVarint(StoreVarint(start, key.size()), value.size());
  if (!key.empty()) std::memcpy(at, key.data(), key.size());
  at += key.size();
  if (!value.empty()) std::memcpy(at, value.data(), value.size());
  at += value.size();
  const internal::KeyPrefix prefix = PrefixOf(key);
  ++count_;
  *entry_data() =
      MakeEntry(partition, partition_bits_, __builtin_bswap64(prefix.k0),
                __builtin_bswap64(prefix.k1), static_cast<std::uint32_t>(start - region_.data()));
  arena_used_ = static_cast<std::size_t>(at - region_.data());
  return true;
}

SortBuffer::RecordView SortBuffer::Decode(std::uint32_t offset) const {
  const char* start = region_.data() + offset;
  const char* end = region_.data() + arena_used_;
  std::uint64_t key_size = 0, value_size = 0;
  const char* key = LoadVarint(LoadVarint(start, end, &key_size), end, &value_size);
  const char* value = key + key_size;
  return {{key, key_size},
          {value, value_size},
          {start, static_cast<std::size_t>(value + value_size - start)}};
}

void SortBuffer::Sort() {
  SortByKey(std::span(entry_data(), count_), partition_bits_,
            [this](std::uint32_t id) { return Decode(id).key; });
}

}  // namespace trireme::mapreduce
