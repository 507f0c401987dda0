#include "mapreduce/engine/sort_buffer.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"
#include "base/check.h"
#include "mapreduce/engine/hash.h"
#include "mapreduce/engine/short_copy.h"

namespace trireme::mapreduce {
namespace {
/// Record offsets are 32 bits.
constexpr std::size_t kRegionMax = (1ull << 32) - (1 << 20);
/// What Append writes besides key and value, and beyond them.
constexpr std::size_t kHeaderMax = 3 * kVarintBytesMax;
/// Not a power of two: the buckets' ends shall not meet in the same sets of the cache.
constexpr std::size_t kExtentBytesMax = (32 << 10) + 320;
/// In smaller extents than this there is no use in buckets.
constexpr std::size_t kExtentBytesMin = 256;
constexpr std::size_t kDealAtMax = 1 << 20;
/// How far in front of a bucket's end memory is fetched to be written to.
constexpr std::size_t kAheadBytes = 256;
/// Buckets as uneven as this (the largest beside the average) are divided anew.
constexpr std::size_t kUneven = 8;
/// So few records tell nothing about the buckets.
constexpr std::size_t kCountsMin = 16 * SortBuffer::kBuckets;
}  // namespace

void SortBuffer::Reset(std::uint32_t partitions, std::size_t budget_bytes) {
  Clear();
  budget_bytes = std::min(budget_bytes, kRegionMax);
  if (partitions == partitions_ && budget_bytes == budget_bytes_ && region_.size() != 0) return;
  partitions_ = partitions;
  partition_bits_ = PartitionBits(partitions);
  splitters_.clear();
  extent_bytes_ = std::min(budget_bytes / (8 * kBuckets), kExtentBytesMax);
  const bool deal = extent_bytes_ >= kExtentBytesMin;
  deal_from_ = deal_at_ = deal ? std::min(budget_bytes / 16, kDealAtMax) : SIZE_MAX;
  if (budget_bytes == budget_bytes_ && region_.size() != 0) return;
  budget_bytes_ = budget_bytes;
  Allocate(budget_bytes_ + kSlack);
}

void SortBuffer::Allocate(std::size_t size_bytes) {
  region_ = MemoryRegion();  // never both at once
  region_ = MemoryRegion(size_bytes);
  oversized_ = size_bytes > budget_bytes_ + kSlack;
}

void SortBuffer::Clear() {
  if (count_ >= kCountsMin && largest_ * kBuckets > kUneven * count_) splitters_.clear();
  used_ = count_ = largest_ = 0;
  deal_at_ = deal_from_;
  extents_.clear();
  buckets_.fill({});
  if (oversized_) Allocate(budget_bytes_ + kSlack);
}

void SortBuffer::Free() {
  *this = SortBuffer();
}

/// The first 64 bits of the record's entry.
inline std::uint64_t SortBuffer::RankOf(std::uint32_t partition, std::string_view key) const {
  const std::size_t size = std::min(key.size(), internal::kInlineKeyBytes);
  const std::uint64_t start = __builtin_bswap64(internal::LoadPrefix(key.data(), size).k0);
  if (partition_bits_ == 0) return start;
  return start >> partition_bits_ | static_cast<std::uint64_t>(partition) << (64 - partition_bits_);
}

/// How many splitters are not above `rank`: a search without a branch to mispredict.
inline std::size_t SortBuffer::BucketOf(std::uint64_t rank) const {
  if (splitters_.empty()) return 0;
  static_assert((kBuckets & (kBuckets - 1)) == 0);
  const std::uint64_t* from = splitters_.data();
  for (std::size_t half = kBuckets / 2; half != 0; half /= 2)
    from += static_cast<std::size_t>(from[half - 1] <= rank) * half;
  return static_cast<std::size_t>(from - splitters_.data());
}

bool SortBuffer::Add(std::uint32_t partition, std::string_view key, std::string_view value) {
  const std::size_t most = key.size() + value.size() + kHeaderMax;
  Bucket& bucket = buckets_[BucketOf(RankOf(partition, key))];
  if (!MakeRoom(bucket, most)) [[unlikely]] {
    if (count_ != 0) return false;
    // A record larger than the whole budget gets the memory it needs, this once.
    TRIREME_CHECK(most < kRegionMax);
    Allocate(most + sizeof(SortEntry) + kSlack);
    Extend(bucket, most);
  }
  Append(bucket, partition, key, value);
  ++count_;
  if (used_ >= deal_at_ && splitters_.empty()) [[unlikely]]
    DealOut();
  return true;
}

/// Makes `size` bytes free in the bucket; there is memory to sort it with one record more.
inline bool SortBuffer::MakeRoom(Bucket& bucket, std::size_t size) {
  const std::size_t entries = std::max<std::size_t>(largest_, bucket.count + std::size_t{1});
  const std::size_t entry_bytes = entries * sizeof(SortEntry);
  if (bucket.limit - bucket.at >= size) [[likely]]
    return used_ + entry_bytes <= budget_bytes_;
  // The bucket's last extent grows where it is when nothing lies behind it.
  const std::size_t have = bucket.limit == used_ ? bucket.limit - bucket.at : 0;
  for (const std::size_t wanted : {std::max(size, extent_bytes_), size}) {
    if (used_ + wanted - have + entry_bytes > budget_bytes_) continue;
    Extend(bucket, wanted - have);
    return true;
  }
  return false;
}

void SortBuffer::Extend(Bucket& bucket, std::size_t more) {
  const auto begin = static_cast<std::uint32_t>(used_);
  used_ += more;
  if (bucket.last == kNone || bucket.limit != begin) {
    const auto added = static_cast<std::uint32_t>(extents_.size());
    EndExtent(bucket);
    (bucket.last == kNone ? bucket.first : extents_[bucket.last].next) = added;
    extents_.push_back({begin, begin, kNone});
    bucket.last = added;
    bucket.at = begin;
  }
  bucket.limit = static_cast<std::uint32_t>(used_);
}

void SortBuffer::EndExtent(const Bucket& bucket) {
  if (bucket.last != kNone) extents_[bucket.last].end = bucket.at;
}

inline void SortBuffer::Append(Bucket& bucket, std::uint32_t partition, std::string_view key,
                               std::string_view value) {
  char* at = region_.data() + bucket.at;
  // So many buckets grow at once that the hardware sees no streams in them.
  __builtin_prefetch(at + kAheadBytes, 1);
  at = StoreVarint(at, partition);
  at = CopyShort(StoreVarint(StoreVarint(at, key.size()), value.size()), key);
  at = CopyShort(at, value);
  bucket.at = static_cast<std::uint32_t>(at - region_.data());
  largest_ = std::max<std::size_t>(largest_, ++bucket.count);
}

/// Calls fn(partition, record) for each record of the bucket in the order of arrival.
template <typename Fn>
void SortBuffer::ForEach(const Bucket& bucket, const Fn& fn) {
  EndExtent(bucket);
  const char* const limit = region_.data() + region_.size();
  for (std::uint32_t i = bucket.first; i != kNone; i = extents_[i].next) {
    const char* at = region_.data() + extents_[i].begin;
    for (const char* end = region_.data() + extents_[i].end; at != end;) {
      std::uint64_t partition = 0;
      const RecordView record = Decode(LoadVarint(at, limit, &partition));
      fn(static_cast<std::uint32_t>(partition), record);
      at = record.encoded.data() + record.encoded.size();
    }
  }
}

std::span<const SortEntry> SortBuffer::SortBucket(std::size_t i) {
  SortEntry* const first = entry_end() - buckets_[i].count;
  SortEntry* to = first;
  ForEach(buckets_[i], [&](std::uint32_t partition, const RecordView& record) {
    const internal::KeyPrefix prefix = PrefixOf(record.key);
    const auto id = static_cast<std::uint32_t>(record.encoded.data() - region_.data());
    *to++ = MakeEntry(partition, partition_bits_, __builtin_bswap64(prefix.k0),
                      __builtin_bswap64(prefix.k1), id);
  });
  const std::span entries(first, to);
  SortByKey(entries, partition_bits_,
            [this](std::uint32_t id) { return Decode(region_.data() + id).key; });
  return entries;
}

/// Divides the records so far, which are in the only bucket, and those to come.
void SortBuffer::DealOut() {
  // Each is copied once more, into an extent of its new bucket: too few or too large ones stay.
  if (used_ > deal_at_ / 2 * 3 || count_ < kBuckets) {
    deal_at_ = SIZE_MAX;
    return;
  }
  const std::span<const SortEntry> entries = SortBucket(0);
  for (std::size_t i = 1; i < kBuckets; ++i)
    splitters_.push_back(static_cast<std::uint64_t>(entries[i * count_ / kBuckets] >> 64));
  const Bucket all = buckets_[0];
  buckets_.fill({});
  largest_ = 0;
  ForEach(all, [this](std::uint32_t partition, const RecordView& record) {
    Bucket& bucket = buckets_[BucketOf(RankOf(partition, record.key))];
    TRIREME_CHECK(MakeRoom(bucket, record.encoded.size() + kHeaderMax));
    Append(bucket, partition, record.key, record.value);
  });
}

}  // namespace trireme::mapreduce
