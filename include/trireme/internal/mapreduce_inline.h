#pragma once

/// The part of <trireme/mapreduce.h> that has to be compiled into user code to be fast. Not an
/// interface: it changes with the engine, and kPluginAbi with it.

#include <array>
#include <bit>
#include <iterator>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TRIREME_EXACT_LOADS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define TRIREME_EXACT_LOADS 1
#endif
#endif

namespace trireme::mapreduce {
namespace internal {

/// A shared object built against another value is refused.
inline constexpr std::uint32_t kPluginAbi = 1;

/// Keys of up to this many bytes live inside the aggregation table's slots.
inline constexpr std::size_t kInlineKeyBytes = 16;
inline constexpr std::size_t kBatchRecords = 64;

/// A key's first 16 bytes, zero-padded, as two little-endian words.
struct KeyPrefix {
  std::uint64_t k0, k1;
};

/// Folds a product of 64-bit words: the step of the engine's hash (as in wyhash).
inline std::uint64_t FoldMultiply(std::uint64_t a, std::uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// The hash of a key of at most 16 bytes. The same on every machine, because partitions depend on
/// it; changing it changes which part file a key is in.
inline std::uint64_t HashPrefix(const KeyPrefix& prefix, std::uint64_t key_size) {
  return FoldMultiply(prefix.k0 ^ 0x9FB21C651E98DF25ull,
                      prefix.k1 ^ 0xA24BAED4963EE407ull ^ key_size);
}

/// Records on their way into the aggregation table. A record's slot is prefetched when it is
/// emitted and probed when the batch is full, so that the cache misses of 64 records overlap each
/// other and the map. There is one batch for each of the table's two kinds of slots.
struct Batch {
  struct Item {
    KeyPrefix key;
    std::uint64_t hash;
    std::int64_t value;
    std::uint64_t size;
  };
  const char* slots = nullptr;  // of the table
  int shift = 63;               // hash >> shift is a slot's index
  int slot_bytes_log2 = 0;
  std::size_t count = 0;
  std::array<Item, kBatchRecords> items;

  /// Takes a record whose key has at most kInlineKeyBytes, prefetching its slot. True when the
  /// batch is full: it is to be emptied before the next record.
  inline bool Push(std::string_view key, std::int64_t value);
};
/// Keys of up to this many bytes have slots of 16 bytes, the others of 32.
inline constexpr std::size_t kSmallKeyBytes = 11;

inline constexpr auto kPrefixMasks = [] {
  std::array<std::array<std::uint64_t, 2>, kInlineKeyBytes + 1> masks{};
  for (std::size_t n = 0; n <= kInlineKeyBytes; ++n) {
    masks[n][0] = n >= 8 ? ~0ull : (1ull << (8 * n)) - 1;
    masks[n][1] = n <= 8 ? 0 : n == 16 ? ~0ull : (1ull << (8 * (n - 8))) - 1;
  }
  return masks;
}();

/// The prefix of a key of at most 16 bytes. Reads 16 bytes wherever that cannot leave the page,
/// since a load of fixed size and a mask cost a tenth of a copy of unknown length.
inline KeyPrefix LoadPrefix(const char* data, std::size_t size) {
  KeyPrefix prefix{0, 0};
#ifndef TRIREME_EXACT_LOADS
  // One less, so that a null pointer (an empty view's) is not in the range either.
  if (((reinterpret_cast<std::uintptr_t>(data) - 1) & 4095) < 4096 - kInlineKeyBytes) [[likely]] {
    std::memcpy(&prefix, data, sizeof prefix);
    prefix.k0 &= kPrefixMasks[size][0];
    prefix.k1 &= kPrefixMasks[size][1];
    return prefix;
  }
#endif
  if (size != 0) std::memcpy(&prefix, data, size);
  return prefix;
}

inline bool Batch::Push(std::string_view key, std::int64_t value) {
  Item& item = items[count];
  item.key = LoadPrefix(key.data(), key.size());
  item.hash = HashPrefix(item.key, key.size());
  item.value = value;
  item.size = key.size();
  __builtin_prefetch(slots + ((item.hash >> shift) << slot_bytes_log2), 1);
  return ++count == kBatchRecords;
}

/// Which of the table's two batches takes a key of this size.
inline Batch& BatchOf(Batch* batches, std::size_t key_size) {
  return batches[key_size > kSmallKeyBytes ? 1 : 0];
}

/// One bit for each of 64 bytes: set where the byte is ASCII white space (9 to 13, 32).
inline std::uint64_t SpaceMask64(const char* data) {
#if defined(__SSE2__)
  std::uint64_t mask = 0;
  for (int i = 0; i < 4; ++i) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data) + i);
    // 9..13 without unsigned compares: subtract 9, then saturate-subtract 4; zero where in range.
    const __m128i shifted = _mm_sub_epi8(bytes, _mm_set1_epi8(9));
    const __m128i control =
        _mm_cmpeq_epi8(_mm_subs_epu8(shifted, _mm_set1_epi8(4)), _mm_setzero_si128());
    const __m128i blank = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '));
    const auto bits = static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_or_si128(control, blank)));
    mask |= static_cast<std::uint64_t>(bits) << (16 * i);
  }
  return mask;
#else
  std::uint64_t mask = 0;
  for (int i = 0; i < 64; ++i) {
    const auto byte = static_cast<unsigned char>(data[i]);
    mask |= static_cast<std::uint64_t>(byte == ' ' || (byte >= 9 && byte <= 13)) << i;
  }
  return mask;
#endif
}

}  // namespace internal

inline void Emitter::Emit(std::string_view key, std::int64_t value) {
  if (batch_ == nullptr || key.size() > internal::kInlineKeyBytes) [[unlikely]]
    return EmitSlow(key, value);
  internal::Batch& batch = internal::BatchOf(batch_, key.size());
  if (batch.Push(key, value)) FlushBatch(batch);
}

class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;

    Iterator(const char* begin, const char* end) : start_(begin), next_(begin), end_(end) {
      Advance();
    }
    std::string_view operator*() const { return word_; }
    Iterator& operator++() {
      Advance();
      return *this;
    }
    void operator++(int) { Advance(); }
    bool operator==(std::default_sentinel_t) const { return word_.data() == nullptr; }

   private:
    /// Takes the next white space out of mask_ until a word lies before it.
    void Advance() {
      for (;;) {
        while (mask_ == 0) {
          if (next_ >= end_) {  // all masks used up: what is left from start_ is the last word
            word_ = start_ < end_
                        ? std::string_view(start_, static_cast<std::size_t>(end_ - start_))
                        : std::string_view();
            start_ = end_;
            return;
          }
          base_ = next_;
          mask_ = MaskAt(base_);
          next_ += 64;
        }
        const char* space = base_ + std::countr_zero(mask_);
        mask_ &= mask_ - 1;
        const char* word = start_;
        start_ = space + 1;
        if (space > word) {
          word_ = std::string_view(word, static_cast<std::size_t>(space - word));
          return;
        }
      }
    }

    std::uint64_t MaskAt(const char* at) const {
      const auto left = static_cast<std::size_t>(end_ - at);
      if (left >= 64) return internal::SpaceMask64(at);
      char tail[64];
      std::memset(tail, 'x', sizeof tail);
      std::memcpy(tail, at, left);
      return internal::SpaceMask64(tail);
    }

    const char* start_;  // where the next word may begin
    const char* next_;   // the first byte not yet in a mask
    const char* end_;
    const char* base_ = nullptr;  // the byte of mask_'s lowest bit
    std::uint64_t mask_ = 0;      // white space not yet looked at
    std::string_view word_;
  };

  Iterator begin() const { return Iterator(text_.data(), text_.data() + text_.size()); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::string_view text_;
};

template <typename Fn>
void ForEachWord(std::string_view text, Fn&& fn) {
  for (std::string_view word : Words(text)) fn(word);
}

}  // namespace trireme::mapreduce
