#include "mapreduce/engine/aggregate_table.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace trireme::mapreduce {
namespace {

constexpr int kCapacityMinLog2 = 12;
/// Key offsets are 32 bits.
constexpr std::size_t kArenaMax = (1ull << 32) - 1;
/// What sorting the keys for a spill will take on top, each.
constexpr std::size_t kSortEntryBytes = 16;

bool FitsSmall(std::int64_t value) {
  return value == static_cast<std::int32_t>(value);
}

}  // namespace

template <typename Slot>
void SlotArray<Slot>::Reset() {
  if (capacity_ == 0) {
    region_ = MemoryRegion(sizeof(Slot) << kCapacityMinLog2);  // first, since it may throw
    capacity_ = std::size_t{1} << kCapacityMinLog2;
    shift_ = 64 - kCapacityMinLog2;
  } else {
    std::memset(region_.data(), 0, bytes());
  }
  used_ = 0;
}

template <typename Slot>
template <typename HashOf>
void SlotArray<Slot>::Grow(const HashOf& hash_of) {
  MemoryRegion larger(2 * bytes());  // first, since it may throw
  const MemoryRegion old = std::exchange(region_, std::move(larger));
  const auto* from = reinterpret_cast<const Slot*>(old.data());
  const std::size_t old_capacity = capacity_;
  capacity_ *= 2;
  --shift_;
  for (std::size_t i = 0; i < old_capacity; ++i) {
    if (from[i].empty()) continue;
    std::size_t at = Start(hash_of(from[i]));
    while (!(*this)[at].empty()) at = Next(at);
    (*this)[at] = from[i];
  }
}

template <typename Slot>
void SlotArray<Slot>::Aim(internal::Batch* batch) const {
  batch->slots = region_.data();
  batch->shift = shift_;
  batch->slot_bytes_log2 = std::countr_zero(sizeof(Slot));
}

void AggregateTable::Reset(Aggregation how, std::size_t budget_bytes) {
  if (budget_bytes != budget_bytes_) {
    Free();  // slots that grew under a larger budget may not fit this one
    arena_ = MemoryRegion(std::min(budget_bytes, kArenaMax));
    budget_bytes_ = budget_bytes;
  }
  how_ = how;
  Clear();
}

void AggregateTable::Clear() {
  small_.Reset();
  wide_.Reset();
  arena_used_ = 0;
  added_ = 0;
}

void AggregateTable::Free() {
  *this = AggregateTable();
}

void AggregateTable::Aim(internal::Batch* batches) const {
  small_.Aim(&batches[0]);
  wide_.Aim(&batches[1]);
}

std::string_view AggregateTable::Key(std::uint32_t id) const {
  return id < kWideId ? small_[id].Key() : KeyOf(wide_[id - kWideId]);
}

std::int64_t AggregateTable::Value(std::uint32_t id) const {
  return id < kWideId ? small_[id].value : wide_[id - kWideId].value;
}

void AggregateTable::PrefetchId(std::uint32_t id) const {
  const void* slot = id < kWideId ? static_cast<const void*>(&small_[id]) : &wide_[id - kWideId];
  __builtin_prefetch(slot);
}

std::uint64_t AggregateTable::HashOf(const WideSlot& slot) const {
  const std::uint64_t hash = HashPrefix(slot.key, slot.key_size());
  if (slot.key_size() <= internal::kInlineKeyBytes) return hash;
  return HashTail(hash, KeyOf(slot).substr(internal::kInlineKeyBytes));
}

/// The table's bytes when one kind of slots takes `slot_bytes` and the arena `key_bytes` more.
std::size_t AggregateTable::BytesBesides(std::size_t slot_bytes, std::size_t key_bytes) const {
  return slot_bytes + arena_used_ + key_bytes + (size() + 1) * kSortEntryBytes;
}

/// What the arena held before the last Clear is still there; slots that grow need it.
void AggregateTable::GiveBackArena() {
  arena_.Release(arena_used_);
}

AggregateTable::Room AggregateTable::MakeSmallRoom() {
  const std::size_t others = wide_.bytes();
  if (!small_.must_grow())
    return size() == 0 || BytesBesides(small_.bytes() + others, 0) <= budget_bytes_ ? Room::kHere
                                                                                    : Room::kNone;
  if (BytesBesides(small_.bytes_to_grow() + others, 0) > budget_bytes_) return Room::kNone;
  GiveBackArena();
  small_.Grow([](const SmallSlot& slot) { return slot.Hash(); });
  return Room::kMoved;
}

AggregateTable::Room AggregateTable::MakeWideRoom(std::size_t key_bytes) {
  if (arena_used_ + key_bytes > arena_.size()) return Room::kNone;
  const std::size_t others = small_.bytes();
  if (!wide_.must_grow())
    return size() == 0 || BytesBesides(wide_.bytes() + others, key_bytes) <= budget_bytes_
               ? Room::kHere
               : Room::kNone;
  if (BytesBesides(wide_.bytes_to_grow() + others, key_bytes) > budget_bytes_) return Room::kNone;
  GiveBackArena();
  wide_.Grow([this](const WideSlot& slot) { return HashOf(slot); });
  return Room::kMoved;
}

std::size_t AggregateTable::AddBatch(const internal::Batch& batch, std::size_t from) {
  if (from == batch.count) return 0;
  const bool is_small = batch.items[from].size <= internal::kSmallKeyBytes;
  const std::size_t done = is_small ? AddSmall(batch, from) : AddWide(batch, from);
  added_ += done;
  return done;
}

std::size_t AggregateTable::AddSmall(const internal::Batch& batch, std::size_t from) {
  switch (how_) {
    case Aggregation::kMin:
      return AddSmallBy<Aggregation::kMin>(batch, from);
    case Aggregation::kMax:
      return AddSmallBy<Aggregation::kMax>(batch, from);
    default:
      return AddSmallBy<Aggregation::kSum>(batch, from);
  }
}

template <Aggregation kHow>
inline bool AggregateTable::FoldSmall(SmallSlot& slot, const internal::Batch::Item& item) {
  const std::int64_t folded = trireme::mapreduce::Fold(kHow, slot.value, item.value);
  if (FitsSmall(folded)) [[likely]] {
    // What stays as it is, as most minima and maxima do, leaves its cache line clean.
    if (kHow == Aggregation::kSum || folded != slot.value)
      slot.value = static_cast<std::int32_t>(folded);
    return true;
  }
  // A number that outgrew its slot goes on in a wide one; what the small slot holds stays there.
  return AddPrefixed(item.key, slot.Key(), item.hash, item.value);
}

template <Aggregation kHow>
std::size_t AggregateTable::AddSmallBy(const internal::Batch& batch, std::size_t from) {
  for (std::size_t i = from; i < batch.count; ++i) {
    const internal::Batch::Item& item = batch.items[i];
    const auto k1_and_size =
        static_cast<std::uint32_t>(item.key.k1 | static_cast<std::uint64_t>(item.size + 1) << 24);
    for (std::size_t at = small_.Start(item.hash);; at = small_.Next(at)) {
      SmallSlot& slot = small_[at];
      if (slot.k0 == item.key.k0 && slot.k1_and_size == k1_and_size) [[likely]] {
        if (!FoldSmall<kHow>(slot, item)) return i - from;
        break;
      }
      if (!slot.empty()) continue;
      const Room room = MakeSmallRoom();
      if (room == Room::kNone) return i - from;
      if (room == Room::kMoved) {  // probe again from the start
        at = small_.Start(item.hash) - 1;
        continue;
      }
      if (!FitsSmall(item.value)) {
        const std::string_view key(reinterpret_cast<const char*>(&item.key), item.size);
        if (!AddPrefixed(item.key, key, item.hash, item.value)) return i - from;
        break;
      }
      slot = {item.key.k0, k1_and_size, static_cast<std::int32_t>(item.value)};
      small_.Use();
      break;
    }
  }
  return batch.count - from;
}

std::size_t AggregateTable::AddWide(const internal::Batch& batch, std::size_t from) {
  for (std::size_t i = from; i < batch.count; ++i) {
    const internal::Batch::Item& item = batch.items[i];
    const std::string_view key(reinterpret_cast<const char*>(&item.key), item.size);
    if (!AddPrefixed(item.key, key, item.hash, item.value)) return i - from;
  }
  return batch.count - from;
}

bool AggregateTable::Add(std::string_view key, std::uint64_t hash, std::int64_t value) {
  if (!AddPrefixed(PrefixOf(key), key, hash, value)) return false;
  ++added_;
  return true;
}

bool AggregateTable::AddPrefixed(const internal::KeyPrefix& prefix, std::string_view key,
                                 std::uint64_t hash, std::int64_t value) {
  const auto size_plus_one = static_cast<std::uint32_t>(key.size() + 1);
  const bool is_inline = key.size() <= internal::kInlineKeyBytes;
  for (std::size_t at = wide_.Start(hash);; at = wide_.Next(at)) {
    WideSlot& slot = wide_[at];
    if (slot.key.k0 == prefix.k0 && slot.key.k1 == prefix.k1 &&
        slot.size_plus_one == size_plus_one && (is_inline || KeyOf(slot) == key)) {
      slot.value = trireme::mapreduce::Fold(how_, slot.value, value);
      return true;
    }
    if (!slot.empty()) continue;
    const Room room = MakeWideRoom(is_inline ? 0 : key.size());
    if (room == Room::kNone) return false;
    if (room == Room::kMoved) {
      at = wide_.Start(hash) - 1;
      continue;
    }
    slot = {prefix, value, size_plus_one, static_cast<std::uint32_t>(arena_used_)};
    wide_.Use();
    if (is_inline) return true;
    std::memcpy(arena_.data() + arena_used_, key.data(), key.size());
    arena_used_ += key.size();
    return true;
  }
}

}  // namespace trireme::mapreduce
