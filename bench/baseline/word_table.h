#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "baseline/common.h"
#include "baseline/hash.h"

namespace trireme::baseline {

/// Masks that keep the first `size` of 16 bytes, for sizes up to 16.
struct PrefixMasks {
  std::uint64_t words[17][2];
  constexpr PrefixMasks() : words() {
    for (unsigned size = 0; size <= 16; ++size) {
      words[size][0] = size >= 8 ? ~0ull : (1ull << (8 * size)) - 1;
      words[size][1] = size >= 16 ? ~0ull : size <= 8 ? 0 : (1ull << (8 * (size - 8))) - 1;
    }
  }
};
inline constexpr PrefixMasks kPrefixMasks;

/// Open addressing with linear probing, at most half full, from one byte pattern of keys to slots.
/// A slot of zero bytes is free.
template <typename Slot>
class SlotTable {
 public:
  static constexpr int kInitialBits = 16;

  SlotTable() : slots_(std::size_t{1} << kInitialBits), shift_(64 - kInitialBits) {}

  Slot* Home(std::uint64_t hash) const { return &slots_[hash >> shift_]; }

  /// The slot for which matches(slot), else a free one that create(slot) fills; hash_of(slot) is
  /// needed when the table grows.
  template <typename Matches, typename Create, typename HashOf>
  inline Slot& Find(std::uint64_t hash, Matches matches, Create create, HashOf hash_of) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t i = hash >> shift_;; i = (i + 1) & mask) {
      Slot& slot = slots_[i];
      if (matches(slot)) [[likely]]
        return slot;
      if (!slot.IsFree()) continue;
      if ((used_ + 1) * 2 > slots_.size()) {
        Grow(hash_of);
        return Find(hash, matches, create, hash_of);
      }
      ++used_;
      create(slot);
      return slot;
    }
  }

  const HugeArray<Slot>& slots() const { return slots_; }

 private:
  template <typename HashOf>
  void Grow(HashOf hash_of) {
    HugeArray<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    --shift_;
    const std::size_t mask = slots_.size() - 1;
    for (const Slot& slot : old) {
      if (slot.IsFree()) continue;
      std::size_t i = hash_of(slot) >> shift_;
      while (!slots_[i].IsFree()) i = (i + 1) & mask;
      slots_[i] = slot;
    }
  }

  HugeArray<Slot> slots_;
  int shift_;
  std::size_t used_ = 0;
};

/// A hash table from words to 8-byte values. Words of up to 8 bytes, most of any text, live in
/// slots of 16 bytes: more of them fit the cache. Longer ones take 32 bytes that hold the first 16
/// of the word and its size, so that comparing follows no pointer, and the rest of a very long word
/// is in an arena. Words are queued by kind without a branch on their length, and looked up in
/// batches whose slots were prefetched. Nothing points into the input.
class WordTable {
 public:
  static constexpr std::size_t kInlineBytes = 16;
  /// The arena's offsets count units of 8 bytes in 32 bits: 32 GiB of distinct long words.
  static constexpr std::size_t kArenaUnit = 8;
  static constexpr std::size_t kBatch = 128;

  struct ShortSlot {
    std::uint64_t prefix;
    std::uint64_t value;
    bool IsFree() const { return prefix == 0; }
  };
  struct LongSlot {
    std::uint64_t prefix[2];
    std::uint32_t size;
    std::uint32_t rest;  // where bytes from the 17th on begin in the arena
    std::uint64_t value;
    bool IsFree() const { return size == 0; }
  };

  /// Queues a word; 16 bytes from its start, and 8 behind its end, must be readable. When a batch
  /// is full, calls update(value) for each of its words. `update` is the same in all calls up to
  /// Flush.
  template <typename Update>
  inline void Add(const char* word, std::size_t size, Update& update) {
    const auto* mask = kPrefixMasks.words[std::min<std::size_t>(size, kInlineBytes)];
    const std::uint64_t first = LoadPadded(word, 8) & mask[0];
    const std::uint64_t second = LoadPadded(word + 8, 8) & mask[1];
    std::uint64_t hash = HashPrefix(first, second);
    if (size > kInlineBytes) [[unlikely]]
      hash = HashLong(hash, word, size);
    // A short word's size must follow from its prefix, so one that ends in a zero byte is not
    // short.
    const bool is_short = PaddedSize(first) == size;
    __builtin_prefetch(is_short ? static_cast<void*>(short_.Home(hash)) : long_.Home(hash), 1);
    short_batch_[short_batched_] = {first, hash};
    long_batch_[long_batched_] = {{first, second}, hash, word, static_cast<std::uint32_t>(size)};
    short_batched_ += is_short;
    long_batched_ += !is_short;
    if (std::max(short_batched_, long_batched_) == kBatch) Flush(update);
  }

  template <typename Update>
  inline void Flush(Update& update) {
    for (std::size_t i = 0; i < short_batched_; ++i) update(FindShort(short_batch_[i]));
    for (std::size_t i = 0; i < long_batched_; ++i) update(FindLong(long_batch_[i]));
    short_batched_ = long_batched_ = 0;
  }

  /// Calls visit(prefix, size, rest, value) for every word; the prefix is two numbers in the order
  /// of the bytes, the rest is the bytes from the 17th on.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (const ShortSlot& slot : short_.slots()) {
      if (!slot.IsFree())
        visit(__builtin_bswap64(slot.prefix), 0, PaddedSize(slot.prefix), nullptr, slot.value);
    }
    for (const LongSlot& slot : long_.slots()) {
      if (!slot.IsFree())
        visit(__builtin_bswap64(slot.prefix[0]), __builtin_bswap64(slot.prefix[1]), slot.size,
              slot.size > kInlineBytes ? RestOf(slot) : nullptr, slot.value);
    }
  }

 private:
  struct ShortPending {
    std::uint64_t prefix;
    std::uint64_t hash;
  };
  struct LongPending {
    std::uint64_t prefix[2];
    std::uint64_t hash;
    const char* word;
    std::uint32_t size;
  };

  /// The number of bytes up to the last that is not zero.
  static std::uint32_t PaddedSize(std::uint64_t prefix) {
    return static_cast<std::uint32_t>(std::bit_width(prefix) + 7) / 8;
  }

  static std::uint64_t HashPrefix(std::uint64_t first, std::uint64_t second) {
    return Mix(first ^ 0x9FB21C651E98DF25ull, second ^ 0xA24BAED4963EE407ull);
  }

  static std::uint64_t HashLong(std::uint64_t hash, const char* word, std::size_t size) {
    if (size > UINT32_MAX) Fail("a word is longer than 4 GiB");
    return Mix(hash, HashBytes(word + kInlineBytes, size - kInlineBytes));
  }

  std::uint64_t& FindShort(const ShortPending& entry) {
    return short_
        .Find(
            entry.hash, [&](const ShortSlot& slot) { return slot.prefix == entry.prefix; },
            [&](ShortSlot& slot) { slot.prefix = entry.prefix; },
            [](const ShortSlot& slot) { return HashPrefix(slot.prefix, 0); })
        .value;
  }

  std::uint64_t& FindLong(const LongPending& entry) {
    return long_
        .Find(
            entry.hash, [&](const LongSlot& slot) { return IsWord(slot, entry); },
            [&](LongSlot& slot) { Store(slot, entry); },
            [this](const LongSlot& slot) { return HashOf(slot); })
        .value;
  }

  std::uint64_t HashOf(const LongSlot& slot) const {
    const std::uint64_t hash = HashPrefix(slot.prefix[0], slot.prefix[1]);
    if (slot.size <= kInlineBytes) return hash;
    return Mix(hash, HashBytes(RestOf(slot), slot.size - kInlineBytes));
  }

  bool IsWord(const LongSlot& slot, const LongPending& entry) const {
    const std::uint64_t difference = (slot.prefix[0] ^ entry.prefix[0]) |
                                     (slot.prefix[1] ^ entry.prefix[1]) | (slot.size ^ entry.size);
    if (difference != 0) return false;
    if (entry.size <= kInlineBytes) [[likely]]
      return true;
    return std::memcmp(RestOf(slot), entry.word + kInlineBytes, entry.size - kInlineBytes) == 0;
  }

  void Store(LongSlot& slot, const LongPending& entry) {
    slot = {{entry.prefix[0], entry.prefix[1]}, entry.size, 0, 0};
    if (entry.size > kInlineBytes) slot.rest = StoreRest(entry);
  }

  std::uint32_t StoreRest(const LongPending& entry) {
    const std::size_t at = arena_.size();
    if (at / kArenaUnit > UINT32_MAX) Fail("more than 32 GiB of distinct words over 16 bytes");
    const std::size_t size = entry.size - kInlineBytes;
    // Whole units and one more: HashBytes reads beyond the end.
    arena_.resize(at + (size / kArenaUnit + 2) * kArenaUnit);
    std::memcpy(arena_.data() + at, entry.word + kInlineBytes, size);
    return static_cast<std::uint32_t>(at / kArenaUnit);
  }

  const char* RestOf(const LongSlot& slot) const {
    return arena_.data() + std::size_t{slot.rest} * kArenaUnit;
  }

  SlotTable<ShortSlot> short_;
  SlotTable<LongSlot> long_;
  std::size_t short_batched_ = 0;
  std::size_t long_batched_ = 0;
  ShortPending short_batch_[kBatch];
  LongPending long_batch_[kBatch];
  std::string arena_;
};

/// One word of one thread's table, on the way to sorted output.
struct WordEntry {
  std::uint64_t prefix[2];  // big-endian, so that they compare as the bytes do
  std::uint32_t size;
  const char* rest;
  std::uint64_t value;

  std::string_view RestView() const {
    return {rest, size > WordTable::kInlineBytes ? size - WordTable::kInlineBytes : 0};
  }
  bool operator==(const WordEntry& other) const {
    return prefix[0] == other.prefix[0] && prefix[1] == other.prefix[1] && size == other.size &&
           RestView() == other.RestView();
  }
  /// The order of the words' bytes. Equal prefixes: the rests decide, and without one, the sizes,
  /// because the padding of a shorter word is the smallest byte.
  bool operator<(const WordEntry& other) const {
    if (prefix[0] != other.prefix[0]) return prefix[0] < other.prefix[0];
    if (prefix[1] != other.prefix[1]) return prefix[1] < other.prefix[1];
    if (const int order = RestView().compare(other.RestView()); order != 0) return order < 0;
    return size < other.size;
  }
  void AppendWord(std::string& to) const {
    const std::uint64_t bytes[2] = {__builtin_bswap64(prefix[0]), __builtin_bswap64(prefix[1])};
    to.append(reinterpret_cast<const char*>(bytes),
              std::min<std::size_t>(size, WordTable::kInlineBytes));
    to.append(RestView());
  }
};

/// The words of all tables that begin with each byte value, equal words side by side only after
/// sorting.
using WordBuckets = std::vector<std::vector<WordEntry>>;

inline WordBuckets CollectBuckets(const WordTable& table) {
  WordBuckets buckets(256);
  table.ForEach([&](std::uint64_t first, std::uint64_t second, std::uint32_t size, const char* rest,
                    std::uint64_t value) {
    buckets[first >> 56].push_back({{first, second}, size, rest, value});
  });
  return buckets;
}

/// Writes the union of the tables to `out`, sorted by word: merge(into, from) joins the values of
/// one word, format(entry, text) appends its line. Buckets are sorted and formatted in parallel,
/// then written in parallel, each at its place.
template <typename Merge, typename Format>
void WriteSorted(const std::deque<WordTable>& tables, OutputFile& out, Merge merge, Format format) {
  const unsigned threads = static_cast<unsigned>(tables.size());
  std::vector<WordBuckets> collected(threads);
  RunParallel(threads, [&](unsigned id) { collected[id] = CollectBuckets(tables[id]); });

  std::vector<std::string> texts(256);
  std::atomic<std::size_t> next{0};
  RunParallel(threads, [&](unsigned) {
    std::vector<WordEntry> bucket;
    for (std::size_t byte; (byte = next.fetch_add(1)) < texts.size();) {
      bucket.clear();
      for (const auto& buckets : collected)
        bucket.insert(bucket.end(), buckets[byte].begin(), buckets[byte].end());
      std::sort(bucket.begin(), bucket.end());
      for (std::size_t i = 0; i < bucket.size();) {
        WordEntry entry = bucket[i++];
        for (; i < bucket.size() && bucket[i] == entry; ++i) merge(entry.value, bucket[i].value);
        format(entry, texts[byte]);
      }
    }
  });

  std::vector<std::uint64_t> offsets(texts.size() + 1);
  for (std::size_t i = 0; i < texts.size(); ++i) offsets[i + 1] = offsets[i] + texts[i].size();
  next = 0;
  RunParallel(threads, [&](unsigned) {
    for (std::size_t i; (i = next.fetch_add(1)) < texts.size();) out.WriteAt(texts[i], offsets[i]);
  });
}

}  // namespace trireme::baseline
