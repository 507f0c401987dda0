#pragma once

#include <trireme/mapreduce.h>

#include <cstdint>
#include <string_view>

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

/// A slot for a key of up to 11 bytes and a number of 32 bits: four to a cache line. What most
/// tables of words are made of.
struct SmallSlot {
  std::uint64_t k0;
  std::uint32_t k1_and_size;  // three key bytes, then size + 1; 0: empty
  std::int32_t value;

  bool empty() const { return k1_and_size == 0; }
  std::string_view Key() const {
    return {reinterpret_cast<const char*>(this), (k1_and_size >> 24) - 1};
  }
  std::uint64_t Hash() const {
    return HashPrefix({k0, k1_and_size & 0xffffff}, (k1_and_size >> 24) - 1);
  }
};
static_assert(sizeof(SmallSlot) == 16);

/// A slot for any key and number. A key of up to 16 bytes lies in it, a longer one in the arena.
struct WideSlot {
  internal::KeyPrefix key;
  std::int64_t value;
  std::uint32_t size_plus_one;  // 0: empty
  std::uint32_t arena;          // of a key over 16 bytes: its offset there

  bool empty() const { return size_plus_one == 0; }
  std::size_t key_size() const { return size_plus_one - 1; }
};
static_assert(sizeof(WideSlot) == 32);

/// Slots of one kind, in an open-addressing table with linear probing.
template <typename Slot>
class SlotArray {
 public:
  void Reset();
  /// As many bytes of memory as the slots take, and while they grow.
  std::size_t bytes() const { return capacity_ * sizeof(Slot); }
  std::size_t bytes_to_grow() const { return 3 * bytes(); }
  bool must_grow() const { return (used_ + 1) * 10 > capacity_ * 6; }
  template <typename HashOf>
  void Grow(const HashOf& hash_of);

  Slot& operator[](std::size_t i) const { return reinterpret_cast<Slot*>(region_.data())[i]; }
  std::size_t capacity() const { return capacity_; }
  std::size_t Start(std::uint64_t hash) const { return hash >> shift_; }
  std::size_t Next(std::size_t i) const { return (i + 1) & (capacity_ - 1); }
  std::size_t used() const { return used_; }
  void Use() { ++used_; }
  void Aim(internal::Batch* batch) const;

 private:
  MemoryRegion region_;
  std::size_t capacity_ = 0;
  int shift_ = 63;
  std::size_t used_ = 0;
};

/// From key to one number, folded as records arrive. Single-threaded. Its memory stays for the next
/// use after Clear().
///
/// A key may be there twice, once with a small and once with a wide slot, when its number outgrew
/// 32 bits; whoever reads the table folds the two.
class AggregateTable {
 public:
  /// Starts empty with at most `budget_bytes` of memory to come.
  void Reset(Aggregation how, std::size_t budget_bytes);

  /// Adds from item `from` on what fits the budget: returns how many. All items of one batch are of
  /// keys up to kSmallKeyBytes, or all of longer ones.
  std::size_t AddBatch(const internal::Batch& batch, std::size_t from);
  /// False when the budget is used up; the record is then not in.
  [[nodiscard]] bool Add(std::string_view key, std::uint64_t hash, std::int64_t value);

  void Prefetch(std::uint64_t hash) const { __builtin_prefetch(&wide_[wide_.Start(hash)], 1); }
  /// Tells two batches where to prefetch; to be done again after every call that may add.
  void Aim(internal::Batch* batches) const;

  std::size_t size() const { return small_.used() + wide_.used(); }
  std::uint64_t added() const { return added_; }
  /// Slots it has memory for.
  std::size_t capacity() const { return small_.capacity() + wide_.capacity(); }
  void Clear();
  /// Gives all memory back.
  void Free();

  /// Slots by one id: small ones count from 0, wide ones from kWideId.
  static constexpr std::uint32_t kWideId = 1u << 31;
  std::string_view Key(std::uint32_t id) const;
  std::int64_t Value(std::uint32_t id) const;
  void PrefetchId(std::uint32_t id) const;
  /// Calls fn(id, prefix, hash) for every key, in no useful order.
  template <typename Fn>
  void ForEach(const Fn& fn) const;

 private:
  std::size_t AddSmall(const internal::Batch& batch, std::size_t from);
  std::size_t AddWide(const internal::Batch& batch, std::size_t from);
  [[nodiscard]] bool AddPrefixed(const internal::KeyPrefix& prefix, std::string_view key,
                                 std::uint64_t hash, std::int64_t value);
  template <Aggregation kHow>
  std::size_t AddSmallBy(const internal::Batch& batch, std::size_t from);
  template <Aggregation kHow>
  [[nodiscard]] bool FoldSmall(SmallSlot& slot, const internal::Batch::Item& item);
  std::uint64_t HashOf(const WideSlot& slot) const;
  std::string_view KeyOf(const WideSlot& slot) const {
    if (slot.key_size() <= internal::kInlineKeyBytes)
      return {reinterpret_cast<const char*>(&slot.key), slot.key_size()};
    return {arena_.data() + slot.arena, slot.key_size()};
  }
  /// Whether one more key fits, and whether the slots had to move for it.
  enum class Room : std::uint8_t { kNone, kHere, kMoved };
  Room MakeSmallRoom();
  Room MakeWideRoom(std::size_t key_bytes);
  void GiveBackArena();
  std::size_t BytesBesides(std::size_t slot_bytes, std::size_t key_bytes) const;

  Aggregation how_ = Aggregation::kSum;
  std::size_t budget_bytes_ = 0;
  SlotArray<SmallSlot> small_;
  SlotArray<WideSlot> wide_;
  MemoryRegion arena_;
  std::size_t arena_used_ = 0;
  std::uint64_t added_ = 0;
};

template <typename Fn>
void AggregateTable::ForEach(const Fn& fn) const {
  for (std::size_t i = 0; i < small_.capacity(); ++i) {
    const SmallSlot& slot = small_[i];
    if (!slot.empty())
      fn(static_cast<std::uint32_t>(i), internal::KeyPrefix{slot.k0, slot.k1_and_size & 0xffffff},
         slot.Hash());
  }
  for (std::size_t i = 0; i < wide_.capacity(); ++i) {
    const WideSlot& slot = wide_[i];
    if (!slot.empty()) fn(static_cast<std::uint32_t>(i) | kWideId, slot.key, HashOf(slot));
  }
}

}  // namespace trireme::mapreduce
