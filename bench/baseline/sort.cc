// Total-order sort of 100-byte records by all their bytes, without a framework.
//   baseline_sort [--fsync] IN OUTDIR
// writes OUTDIR/part-00000 and on, one per thread, which in this order are the sorted file.
//
// Sorts 16-byte entries (the key's first 12 bytes and the record's number) and touches the records
// only to make the entries, to settle ties, and once to gather them into the output. They are
// gathered from the mapped input itself: a copy on huge pages would cost more to make than it
// saves.
#include <errno.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>

#include "baseline/common.h"

namespace trireme::baseline {
namespace {

constexpr std::size_t kRecordBytes = 100;
constexpr std::size_t kBuckets = 65536;  // by the first two bytes
constexpr std::size_t kBufferBytes = 1u << 20;
constexpr std::size_t kPrefetchDistance = 24;
/// So many buckets are sorted before their records are gathered: enough for long gathers, few
/// enough that the entries are still in the cache.
constexpr std::size_t kBucketsPerStep = 256;
constexpr std::size_t kRadixMin = 64;

struct Entry {
  std::uint64_t first;   // bytes 0-7, big-endian
  std::uint32_t second;  // bytes 8-11, big-endian
  std::uint32_t record;
};

using Offsets = std::vector<std::uint32_t>;

class Sorter {
 public:
  explicit Sorter(const std::string& path)
      : input_(path), threads_(ThreadCount()), histograms_(threads_, Offsets(kBuckets)) {
    if (input_.size() % kRecordBytes != 0)
      Fail(path + " has " + std::to_string(input_.size()) + " bytes; need a multiple of 100");
    if (input_.size() / kRecordBytes > UINT32_MAX) Fail(path + " has more than 2^32 - 1 records");
    records_ = static_cast<std::uint32_t>(input_.size() / kRecordBytes);
  }

  void Sort(const std::string& out_dir, bool durable) {
    RunParallel(threads_, [this](unsigned id) { CountBuckets(id); });
    PlaceBuckets();
    entries_ = HugeArray<Entry>(records_);
    RunParallel(threads_, [this](unsigned id) { ScatterEntries(id); });
    const auto ranges = RangesOfThreads();
    RunParallel(threads_, [&](unsigned id) {
      char name[24];
      std::snprintf(name, sizeof name, "/part-%05u", id);
      OutputFile out(out_dir + name);
      WriteRange(ranges[id], ranges[id + 1], out);
      out.Close(durable);
    });
  }

 private:
  const char* Record(std::uint32_t index) const {
    return input_.begin() + std::size_t{index} * kRecordBytes;
  }

  static std::size_t BucketOf(const char* record) {
    return static_cast<std::size_t>(static_cast<unsigned char>(record[0])) << 8 |
           static_cast<unsigned char>(record[1]);
  }

  std::uint32_t ShareBegin(unsigned id) const {
    return static_cast<std::uint32_t>(std::uint64_t{records_} * id / threads_);
  }

  void CountBuckets(unsigned id) {
    constexpr std::uint32_t kStep = 40000;
    auto& counts = histograms_[id];
    for (std::uint32_t i = ShareBegin(id), end = ShareBegin(id + 1); i < end;) {
      const std::uint32_t step_end = std::min(end, i + kStep);
      input_.Populate(i * kRecordBytes, step_end * kRecordBytes);
      for (; i < step_end; ++i) ++counts[BucketOf(Record(i))];
    }
  }

  /// Turns the counts into the place where each thread puts its next entry of each bucket.
  void PlaceBuckets() {
    starts_.resize(kBuckets + 1);
    std::uint32_t at = 0;
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      starts_[bucket] = at;
      for (auto& counts : histograms_) {
        const std::uint32_t count = counts[bucket];
        counts[bucket] = at;
        at += count;
      }
    }
    starts_[kBuckets] = at;
  }

  void ScatterEntries(unsigned id) {
    auto& next = histograms_[id];
    for (std::uint32_t i = ShareBegin(id), end = ShareBegin(id + 1); i < end; ++i) {
      const char* record = Record(i);
      Entry entry;
      std::memcpy(&entry.first, record, 8);
      std::memcpy(&entry.second, record + 8, 4);
      entry = {__builtin_bswap64(entry.first), __builtin_bswap32(entry.second), i};
      entries_[next[BucketOf(record)]++] = entry;
    }
  }

  /// Bucket boundaries that give the threads about the same number of records.
  std::vector<std::size_t> RangesOfThreads() const {
    std::vector<std::size_t> ranges;
    for (unsigned id = 0; id <= threads_; ++id) {
      const auto at = std::lower_bound(starts_.begin(), starts_.end(), ShareBegin(id));
      ranges.push_back(static_cast<std::size_t>(at - starts_.begin()));
    }
    ranges.front() = 0;
    ranges.back() = kBuckets;
    return ranges;
  }

  bool Less(const Entry& a, const Entry& b) const {
    if (a.first != b.first) return a.first < b.first;
    if (a.second != b.second) return a.second < b.second;
    return std::memcmp(Record(a.record) + 12, Record(b.record) + 12, kRecordBytes - 12) < 0;
  }

  static void RadixPass(const Entry* from, Entry* to, std::size_t size, int shift) {
    std::array<std::uint32_t, 257> at{};
    for (std::size_t i = 0; i < size; ++i) ++at[((from[i].first >> shift) & 255) + 1];
    for (std::size_t i = 0; i < 256; ++i) at[i + 1] += at[i];
    for (std::size_t i = 0; i < size; ++i) to[at[(from[i].first >> shift) & 255]++] = from[i];
  }

  /// Sorts entries that agree in the first two bytes: radix passes on the next two, then the few
  /// that agree in those as well by comparing, which keeps skewed keys at n log n.
  void SortBucket(Entry* entries, std::size_t size, std::vector<Entry>& scratch) const {
    const auto less = [this](const Entry& a, const Entry& b) { return Less(a, b); };
    if (size < kRadixMin) return std::sort(entries, entries + size, less);
    if (scratch.size() < size) scratch.resize(size);
    RadixPass(entries, scratch.data(), size, 32);
    RadixPass(scratch.data(), entries, size, 40);
    for (std::size_t i = 0; i < size;) {
      std::size_t end = i + 1;
      while (end < size && entries[end].first >> 32 == entries[i].first >> 32) ++end;
      if (end - i > 1) std::sort(entries + i, entries + end, less);
      i = end;
    }
  }

  void WriteRange(std::size_t bucket, std::size_t bucket_end, OutputFile& out) {
    std::vector<Entry> scratch;
    const HugeArray<char> buffer(2 * kBufferBytes);
    while (bucket < bucket_end) {
      const std::size_t step_end = std::min(bucket + kBucketsPerStep, bucket_end);
      const std::uint32_t begin = starts_[bucket];
      for (; bucket < step_end; ++bucket)
        SortBucket(&entries_[starts_[bucket]], starts_[bucket + 1] - starts_[bucket], scratch);
      Gather(begin, starts_[step_end], buffer.data(), out);
    }
  }

  void Gather(std::size_t begin, std::size_t end, char* buffer, OutputFile& out) const {
    std::size_t filled = 0;
    for (std::size_t i = begin; i < end; ++i) {
      if (i + kPrefetchDistance < end) {
        const char* soon = Record(entries_[i + kPrefetchDistance].record);
        __builtin_prefetch(soon);
        __builtin_prefetch(soon + 64);
        __builtin_prefetch(soon + kRecordBytes - 1);
      }
      std::memcpy(buffer + filled, Record(entries_[i].record), kRecordBytes);
      filled += kRecordBytes;
      if (filled + kRecordBytes > kBufferBytes || i + 1 == end) {
        out.Append({buffer, filled});
        filled = 0;
      }
    }
  }

  MappedFile input_;
  unsigned threads_;
  std::uint32_t records_ = 0;
  std::vector<Offsets> histograms_;  // per thread; later, the places of its next entries
  Offsets starts_;                   // of the buckets in entries_
  HugeArray<Entry> entries_;
};

}  // namespace
}  // namespace trireme::baseline

int main(int argc, char** argv) {
  using namespace trireme::baseline;
  const auto arguments = ParseArguments(argc, argv, 2, "[--fsync] IN OUTDIR");
  const std::string& out_dir = arguments.words[1];
  if (mkdir(out_dir.c_str(), 0755) != 0 && errno != EEXIST) FailErrno("cannot create " + out_dir);
  Sorter sorter(arguments.words[0]);
  sorter.Sort(out_dir, arguments.durable);
  Finish();
}
