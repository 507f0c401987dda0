#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "kv/model/layout.h"

namespace trireme::kv::inline engine {

/// The newest versions of keys written last, without their values: what a put must know of the one
/// before, so that it need not read the store. Bounded: the oldest written makes room. Holds live
/// versions without a lease, of keys of up to kKeyBytesMax, 32 bytes for each of 8 bytes.
class NewestCache {
 public:
  static constexpr std::size_t kKeyBytesMax = 1024;

  /// `bytes_max`: of memory, taken as it is needed.
  explicit NewestCache(std::size_t bytes_max);

  /// False: not known. The record has no value.
  bool Find(std::string_view key, Revision* revision, VersionRecord* record) const;
  /// What was written last; forgets the key when it is not to be held.
  void Set(std::string_view key, Revision revision, const VersionRecord& record);

 private:
  struct Entry {
    std::int64_t main;
    std::int64_t create_revision;
    std::uint32_t version;
    std::uint16_t sub;
    std::uint16_t key_size;
  };
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  /// Where an entry stands in ring_ (in units, plus 1; 0: free), and some bits of the key's hash.
  struct Slot {
    std::uint32_t place : 24;
    std::uint32_t tag : 8;
  };
  static constexpr std::size_t kUnitBytes = 8, kBucketSlots = 8, kBucketsMin = 64;

  using Slots = std::unique_ptr<Slot[], Free>;

  static std::size_t BytesOf(const Entry& entry);
  static Slots NewSlots(std::size_t buckets);
  Entry& At(std::size_t offset) const { return *reinterpret_cast<Entry*>(ring_.get() + offset); }
  std::string_view KeyOf(const Entry& entry) const {
    return {reinterpret_cast<const char*>(&entry + 1), entry.key_size};
  }
  Slot* BucketOf(std::size_t hash) const {
    return slots_.get() + (hash & bucket_mask_) * kBucketSlots;
  }
  Slot* FindSlot(std::size_t hash, std::string_view key) const;
  std::size_t Append(const Entry& entry, std::string_view key);
  void DropOldest();
  void Grow();

  std::size_t ring_bytes_, buckets_max_;
  std::size_t bucket_mask_;  ///< Few buckets as long as there are few keys: they stay near by.
  std::unique_ptr<char[], Free> ring_;
  Slots slots_;
  // Entries lie in [oldest_, next_), or when next_ is before it, in [oldest_, end_) and [0, next_).
  std::size_t oldest_ = 0, next_ = 0, end_ = 0;
  std::size_t count_ = 0;
};

}  // namespace trireme::kv::inline engine
