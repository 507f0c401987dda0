#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "mapreduce/engine/key_sort.h"
#include "mapreduce/engine/memory_region.h"

namespace trireme::mapreduce {

/// Records in the order of arrival, handed out sorted by (partition, key, arrival). Each lies
/// encoded as a run file wants it, so spilling one is one copy. Single-threaded; memory stays after
/// Clear().
///
/// Records are dealt to buckets by ranges of (partition, key) as they arrive, so that a bucket is
/// sorted and copied out within the cache and the reach of the TLB; one sort over all of them would
/// miss both for every record. The ranges are quantiles of the records that came first: good ones
/// make it fast, bad ones (sorted input) only cost what one large bucket costs. Entries are made
/// when a bucket is sorted, so that a waiting record takes no more than its bytes.
class SortBuffer {
 public:
  struct RecordView {
    std::string_view key, value, encoded;
  };

  /// Starts empty with at most `budget_bytes` (under 4 GiB) of memory to come.
  void Reset(std::uint32_t partitions, std::size_t budget_bytes);

  /// False when the budget is used up; the record is then not in. A record alone always fits.
  [[nodiscard]] bool Add(std::uint32_t partition, std::string_view key, std::string_view value);

  /// The records of a later bucket sort after those of an earlier one, and no key is in two.
  std::size_t buckets() const { return splitters_.size() + 1; }
  /// The bucket's records in order. Valid until the next call.
  std::span<const SortEntry> SortBucket(std::size_t bucket);

  std::uint32_t Partition(SortEntry entry) const { return EntryPartition(entry, partition_bits_); }
  RecordView Record(SortEntry entry) const { return Decode(region_.data() + EntryId(entry)); }
  /// Whether `other`, which sorts after `first`, has the same partition and the same key.
  bool SameGroup(SortEntry first, SortEntry other, std::string_view key) const {
    return ((first ^ other) >> 32) == 0 && Record(other).key == key;
  }
  void Prefetch(SortEntry entry) const {
    __builtin_prefetch(region_.data() + EntryId(entry));
    __builtin_prefetch(region_.data() + EntryId(entry) + 64);
  }

  std::size_t size() const { return count_; }
  void Clear();
  void Free();

  static constexpr std::size_t kBuckets = 128;
  /// Bytes of a record, as Record() gives it, that may be read beyond its end.
  static constexpr std::size_t kSlack = 64;

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  /// A piece of the region with records of one bucket. Offsets are into the region.
  struct Extent {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;  // of its records; not yet known for a bucket's last
    std::uint32_t next = kNone;
  };
  struct Bucket {
    std::uint32_t at = 0, limit = 0;  // the free part of its last extent
    std::uint32_t first = kNone, last = kNone;
    std::uint32_t count = 0;
  };

  std::size_t BucketOf(std::uint64_t rank) const;
  std::uint64_t RankOf(std::uint32_t partition, std::string_view key) const;
  bool MakeRoom(Bucket& bucket, std::size_t size);
  void Extend(Bucket& bucket, std::size_t more);
  void EndExtent(const Bucket& bucket);
  void Append(Bucket& bucket, std::uint32_t partition, std::string_view key,
              std::string_view value);
  template <typename Fn>
  void ForEach(const Bucket& bucket, const Fn& fn);
  void DealOut();
  RecordView Decode(const char* start) const;
  SortEntry* entry_end() const {
    return reinterpret_cast<SortEntry*>(region_.data() + region_.size());
  }
  void Allocate(std::size_t size_bytes);

  std::uint32_t partitions_ = 0;
  int partition_bits_ = 0;
  std::size_t budget_bytes_ = 0;
  std::size_t extent_bytes_ = 0;
  // At so many bytes of records these tell how to deal the others; SIZE_MAX: never.
  std::size_t deal_from_ = SIZE_MAX, deal_at_ = SIZE_MAX;
  // Extents grow from its front, the entries of the bucket being sorted from its end.
  MemoryRegion region_;
  std::size_t used_ = 0;     // by extents
  std::size_t count_ = 0;    // records
  std::size_t largest_ = 0;  // records in the largest bucket
  std::vector<Extent> extents_;
  std::array<Bucket, kBuckets> buckets_;
  std::vector<std::uint64_t> splitters_;  // the least rank of each bucket but the first, or none
  bool oversized_ = false;                // the region was replaced for one record
};

inline SortBuffer::RecordView SortBuffer::Decode(const char* start) const {
  std::uint64_t key_size = static_cast<unsigned char>(start[0]);
  std::uint64_t value_size = static_cast<unsigned char>(start[1]);
  const char* key = start + 2;
  if ((key_size | value_size) >= 0x80) [[unlikely]] {
    const char* end = region_.data() + region_.size();
    key = LoadVarint(LoadVarint(start, end, &key_size), end, &value_size);
  }
  const char* value = key + key_size;
  return {{key, key_size},
          {value, value_size},
          {start, static_cast<std::size_t>(value + value_size - start)}};
}

}  // namespace trireme::mapreduce
