#include "mapreduce/engine/aggregate_table.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/check.h"

namespace trireme::mapreduce {
namespace {

constexpr std::size_t kCapacityMin = 1 << 12;
/// Key offsets are 32 bits.
constexpr std::size_t kArenaMax = (1ull << 32) - 1;
/// What sorting the keys for a spill will take on top, each.
constexpr std::size_t kSortEntryBytes = 16;
constexpr std::size_t kFillNumerator = 6, kFillDenominator = 10;

}  // namespace

void AggregateTable::Reset(Aggregation how, std::size_t budget_bytes) {
  how_ = how;
  if (capacity_ == 0) {
    region_ = MemoryRegion(kCapacityMin * sizeof(Slot));
    capacity_ = kCapacityMin;
    shift_ = 64 - 12;
  } else {
    Clear();
  }
  const std::size_t arena_bytes = std::min(budget_bytes, kArenaMax);
  if (budget_bytes != budget_bytes_) arena_ = MemoryRegion(arena_bytes);
  budget_bytes_ = budget_bytes;
}

void AggregateTable::Clear() {
  std::memset(region_.data(), 0, capacity_ * sizeof(Slot));
  arena_used_ = used_ = 0;
  added_ = 0;
}

void AggregateTable::Free() {
  *this = AggregateTable();
}

std::uint64_t AggregateTable::HashOf(const Slot& slot) const {
  const std::uint64_t hash = HashPrefix(slot.key, KeySize(slot));
  if (KeySize(slot) <= internal::kInlineKeyBytes) return hash;
  return HashTail(hash, Key(slot).substr(internal::kInlineKeyBytes));
}

bool AggregateTable::MakeRoom(std::size_t key_bytes) {
  const std::size_t arena_bytes = arena_used_ + key_bytes;
  if (arena_bytes > arena_.size()) return false;
  const std::size_t sorting_bytes = (used_ + 1) * kSortEntryBytes;
  if ((used_ + 1) * kFillDenominator <= capacity_ * kFillNumerator)
    return used_ == 0 || capacity_ * sizeof(Slot) + arena_bytes + sorting_bytes <= budget_bytes_;
  // While it grows the table is there one and a half times.
  if (capacity_ * 3 * sizeof(Slot) + arena_bytes + sorting_bytes > budget_bytes_) return false;
  Grow();
  return true;
}

void AggregateTable::Grow() {
  MemoryRegion old = std::move(region_);
  const auto* from = reinterpret_cast<const Slot*>(old.data());
  const std::size_t old_capacity = capacity_;
  capacity_ *= 2;
  --shift_;
  region_ = MemoryRegion(capacity_ * sizeof(Slot));
  Slot* to = slots();
  for (std::size_t i = 0; i < old_capacity; ++i) {
    if (from[i].size_plus_one == 0) continue;
    std::size_t at = HashOf(from[i]) >> shift_;
    while (to[at].size_plus_one != 0) at = (at + 1) & (capacity_ - 1);
    to[at] = from[i];
  }
}

std::size_t AggregateTable::AddBatch(const internal::Batch& batch, std::size_t from) {
  for (std::size_t i = from; i < batch.count; ++i) {
    const internal::Batch::Item& item = batch.items[i];
    const auto size_plus_one = static_cast<std::uint32_t>(item.size + 1);
    for (std::size_t at = item.hash >> shift_;; at = (at + 1) & (capacity_ - 1)) {
      Slot& slot = slots()[at];
      if (slot.key.k0 == item.key.k0 && slot.key.k1 == item.key.k1 &&
          slot.size_plus_one == size_plus_one) [[likely]] {
        slot.value = trireme::mapreduce::Fold(how_, slot.value, item.value);
        break;
      }
      if (slot.size_plus_one == 0) {
        const std::size_t before = capacity_;
        if (!MakeRoom(0)) return i - from;
        if (capacity_ != before) {  // the slot has moved; probe again
          at = (item.hash >> shift_) - 1;
          continue;
        }
        slot = {item.key, item.value, size_plus_one, 0};
        ++used_;
        break;
      }
    }
    ++added_;
  }
  return batch.count - from;
}

bool AggregateTable::Add(std::string_view key, std::uint64_t hash, std::int64_t value) {
  const internal::KeyPrefix prefix = PrefixOf(key);
  const auto size_plus_one = static_cast<std::uint32_t>(key.size() + 1);
  const bool is_inline = key.size() <= internal::kInlineKeyBytes;
  for (std::size_t at = hash >> shift_;; at = (at + 1) & (capacity_ - 1)) {
    Slot& slot = slots()[at];
    if (slot.key.k0 == prefix.k0 && slot.key.k1 == prefix.k1 &&
        slot.size_plus_one == size_plus_one && (is_inline || Key(slot) == key)) {
      slot.value = trireme::mapreduce::Fold(how_, slot.value, value);
      break;
    }
    if (slot.size_plus_one == 0) {
      const std::size_t before = capacity_;
      if (!MakeRoom(is_inline ? 0 : key.size())) return false;
      if (capacity_ != before) {
        at = (hash >> shift_) - 1;
        continue;
      }
      slot = {prefix, value, size_plus_one, static_cast<std::uint32_t>(arena_used_)};
      ++used_;
      if (is_inline) break;
      std::memcpy(arena_.data() + arena_used_, key.data(), key.size());
      arena_used_ += key.size();
      break;
    }
  }
  ++added_;
  return true;
}

}  // namespace trireme::mapreduce
