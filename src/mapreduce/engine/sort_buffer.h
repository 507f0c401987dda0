#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "mapreduce/engine/key_sort.h"
#include "mapreduce/engine/memory_region.h"

namespace trireme::mapreduce {

/// Records in the order of arrival, then sorted by (partition, key, arrival). Each lies encoded as
/// a run file wants it, so spilling one is one copy. Single-threaded; memory stays after Clear().
class SortBuffer {
 public:
  struct RecordView {
    std::string_view key, value, encoded;
  };

  /// Starts empty with at most `budget_bytes` (under 4 GiB) of memory to come.
  void Reset(std::uint32_t partitions, std::size_t budget_bytes);

  /// False when the budget is used up; the record is then not in. A record alone always fits.
  [[nodiscard]] bool Add(std::uint32_t partition, std::string_view key, std::string_view value);

  void Sort();
  /// In sorted order after Sort().
  std::span<const SortEntry> entries() const { return {entry_data(), count_}; }
  std::uint32_t Partition(SortEntry entry) const { return EntryPartition(entry, partition_bits_); }
  RecordView Record(SortEntry entry) const { return Decode(EntryId(entry)); }
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

 private:
  SortEntry* entry_end() const {
    return reinterpret_cast<SortEntry*>(region_.data() + region_.size());
  }
  SortEntry* entry_data() const { return entry_end() - count_; }
  RecordView Decode(std::uint32_t offset) const;
  void Allocate(std::size_t size_bytes);

  int partition_bits_ = 0;
  std::size_t budget_bytes_ = 0;
  // Records grow from its front, entries from its end, so that what was touched by records of one
  // shape is used again by those of another.
  MemoryRegion region_;
  std::size_t arena_used_ = 0;
  std::size_t count_ = 0;
  bool oversized_ = false;  // the region was replaced for one record
};

}  // namespace trireme::mapreduce
