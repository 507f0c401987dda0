#pragma once

#include <trireme/mapreduce.h>

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "mapreduce/engine/hash.h"
#include "mapreduce/engine/memory_region.h"

namespace trireme::mapreduce {

/// Folds `value` into `into`, which already holds a value of the same key.
inline std::int64_t Fold(Aggregation how, std::int64_t into, std::int64_t value) {
  switch (how) {
    case Aggregation::kMin:
      return value < into ? value : into;
    case Aggregation::kMax:
      return value > into ? value : into;
    default:  // wraps around, as documented
      return static_cast<std::int64_t>(static_cast<std::uint64_t>(into) +
                                       static_cast<std::uint64_t>(value));
  }
}

/// An open-addressing table from key to one number, folded as records arrive. A slot holds the
/// key's first 16 bytes and its size, so that almost no comparison leaves the cache line it probes;
/// longer keys lie whole in an arena. Single-threaded. Its memory stays for the next use after
/// Clear().
class AggregateTable {
 public:
  struct Slot {
    internal::KeyPrefix key;
    std::int64_t value;
    std::uint32_t size_plus_one;  // 0: empty
    std::uint32_t arena;          // of a key over 16 bytes: its offset in the arena
  };
  static_assert(sizeof(Slot) == internal::kSlotBytes);

  AggregateTable() = default;

  /// Starts empty with at most `budget_bytes` of memory to come.
  void Reset(Aggregation how, std::size_t budget_bytes);

  /// Adds all of the batch or, when the budget is used up, what fits: returns how many.
  std::size_t AddBatch(const internal::Batch& batch, std::size_t from);
  /// False when the budget is used up; the record is then not in.
  [[nodiscard]] bool Add(std::string_view key, std::uint64_t hash, std::int64_t value);
  /// Tells a batch where to prefetch; to be done again after every call that may add.
  void Aim(internal::Batch* batch) const {
    batch->slots = region_.data();
    batch->shift = shift_;
  }
  void Prefetch(std::uint64_t hash) const { __builtin_prefetch(&slots()[hash >> shift_], 1); }

  std::size_t size() const { return used_; }
  std::uint64_t added() const { return added_; }
  std::size_t capacity() const { return capacity_; }
  const Slot& slot(std::size_t i) const { return slots()[i]; }
  static std::size_t KeySize(const Slot& slot) { return slot.size_plus_one - 1; }
  std::string_view Key(const Slot& slot) const {
    const std::size_t size = KeySize(slot);
    if (size <= internal::kInlineKeyBytes) return {reinterpret_cast<const char*>(&slot.key), size};
    return {arena_.data() + slot.arena, size};
  }
  std::uint64_t HashOf(const Slot& slot) const;
  void Clear();
  /// Gives all memory back.
  void Free();

 private:
  Slot* slots() const { return reinterpret_cast<Slot*>(region_.data()); }
  /// Room for one more key with `key_bytes` in the arena; false over budget.
  bool MakeRoom(std::size_t key_bytes);
  void Grow();

  Aggregation how_ = Aggregation::kSum;
  std::size_t budget_bytes_ = 0;
  MemoryRegion region_;
  MemoryRegion arena_;
  std::size_t arena_used_ = 0;
  std::size_t capacity_ = 0;
  int shift_ = 64;
  std::size_t used_ = 0;
  std::uint64_t added_ = 0;
};

}  // namespace trireme::mapreduce
