#include "mapreduce/jobs/sort_in_memory.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <utility>

#include "mapreduce/engine/hash.h"
#include "mapreduce/engine/key_sort.h"
#include "mapreduce/engine/memory_region.h"

namespace trireme::mapreduce {
namespace {

/// What a map holds for all partitions together, and at most for one.
constexpr std::size_t kBatchesBytes = 1u << 20;
constexpr std::size_t kBatchEntriesMax = 2048;
/// Gathered at a time; stays in the core's own cache.
constexpr std::size_t kChunkBytes = 64u << 10;
/// How many records ahead of their copy their memory is asked for, and how much of each: what
/// follows, the processor sees coming.
constexpr std::size_t kAhead = 32;
constexpr std::size_t kPrefetchBytesMax = 256;
constexpr std::uint64_t kRecordsMax = 1ull << 32;  // a SortEntry's id

/// Deals a reference to each record out to its partition, batch by batch.
class DealingMapper final : public Mapper {
 public:
  DealingMapper(const std::vector<ReferencedFile>& files, std::size_t record_bytes,
                std::size_t key_bytes, const Factory<Partitioner>& partitioner)
      : record_bytes_(record_bytes),
        key_bytes_(key_bytes),
        partitioner_(partitioner()),
        numbers_(files, record_bytes) {}

  void Start(Emitter& out) override {
    partitions_ = out.task().reduces;
    capacity_ = std::clamp<std::size_t>(kBatchesBytes / sizeof(SortEntry) / partitions_, 1,
                                        kBatchEntriesMax);
    entries_.resize(partitions_ * capacity_);
    used_.resize(partitions_);
  }

  void Map(const Record& record, Emitter& out) override {
    Deal(record.value, numbers_.Of(record.file, record.offset), out);
  }

  bool MapBlock(const Block& block, Emitter& out) override {
    std::uint64_t number = numbers_.Of(block.file, block.offset);
    for (std::size_t at = 0; at < block.data.size(); at += record_bytes_)
      Deal(block.data.substr(at, record_bytes_), number++, out);
    return true;
  }

  void Finish(Emitter& out) override {
    for (std::uint32_t partition = 0; partition < partitions_; ++partition)
      if (used_[partition] != 0) EmitBatch(partition, out);
  }

 private:
  void Deal(std::string_view record, std::uint64_t number, Emitter& out) {
    const std::string_view key = record.substr(0, key_bytes_);
    const std::uint32_t partition = partitioner_->Partition(key, partitions_);
    const internal::KeyPrefix prefix = PrefixOf(key);
    entries_[partition * capacity_ + used_[partition]] =
        MakeEntry(0, 0, __builtin_bswap64(prefix.k0), __builtin_bswap64(prefix.k1),
                  static_cast<std::uint32_t>(number));
    if (++used_[partition] == capacity_) EmitBatch(partition, out);
  }

  void EmitBatch(std::uint32_t partition, Emitter& out) {
    const char* bytes = reinterpret_cast<const char*>(&entries_[partition * capacity_]);
    out.EmitTo(partition, {}, {bytes, used_[partition] * sizeof(SortEntry)});
    used_[partition] = 0;
  }

  const std::size_t record_bytes_, key_bytes_;
  const std::unique_ptr<Partitioner> partitioner_;
  RecordNumbers numbers_;
  std::uint32_t partitions_ = 0;
  std::size_t capacity_ = 0;  // of a partition's batch, in entries
  std::vector<SortEntry> entries_;
  std::vector<std::size_t> used_;
};

/// What the reduces of a job leave to the next: mapped input, and memory that is already paid for.
class Kept {
 public:
  Kept(std::vector<ReferencedFile> files, std::size_t record_bytes)
      : files_(std::move(files)), record_bytes_(record_bytes) {}

  std::shared_ptr<const MappedRecords> Records() {
    const std::lock_guard lock(mutex_);
    if (records_ == nullptr) records_ = MappedRecords::Share(files_, record_bytes_);
    return records_;
  }
  /// Room for references to all records; takes memory for as many as are put there.
  MemoryRegion TakeRoom() {
    const std::lock_guard lock(mutex_);
    if (rooms_.empty()) return MemoryRegion(records_->records() * sizeof(SortEntry));
    MemoryRegion room = std::move(rooms_.back());
    rooms_.pop_back();
    return room;
  }
  void GiveRoom(MemoryRegion room) {
    const std::lock_guard lock(mutex_);
    rooms_.push_back(std::move(room));
  }

 private:
  const std::vector<ReferencedFile> files_;
  const std::size_t record_bytes_;
  std::mutex mutex_;
  std::shared_ptr<const MappedRecords> records_;
  std::vector<MemoryRegion> rooms_;
};

class SortingReducer final : public Reducer {
 public:
  SortingReducer(std::shared_ptr<Kept> kept, std::size_t record_bytes, std::size_t key_bytes)
      : kept_(std::move(kept)),
        records_(kept_->Records()),
        room_(kept_->TakeRoom()),
        record_bytes_(record_bytes),
        key_bytes_(key_bytes) {}
  ~SortingReducer() override { kept_->GiveRoom(std::move(room_)); }

  void Reduce(std::string_view, Values& values, Output& out) override {
    for (std::string_view batch; values.Next(&batch);)
      if (!Take(batch)) return out.Fail("references lead out of the input");
  }

  void Finish(Output& out) override {
    const std::span<SortEntry> entries(Entries(), count_);
    SortByKey(entries, 0, [this](std::uint32_t number) {
      return std::string_view(records_->Record(number), key_bytes_);
    });
    Gather(entries, out);
  }

 private:
  SortEntry* Entries() const { return reinterpret_cast<SortEntry*>(room_.data()); }

  bool Take(std::string_view batch) {
    const std::size_t count = batch.size() / sizeof(SortEntry);
    if (batch.size() % sizeof(SortEntry) != 0 || count > records_->records() - count_) return false;
    SortEntry* const to = Entries() + count_;
    std::memcpy(to, batch.data(), batch.size());
    count_ += count;
    return std::all_of(to, to + count,
                       [this](SortEntry entry) { return EntryId(entry) < records_->records(); });
  }

  void Prefetch(const char* record) const {
    const std::size_t bytes = std::min(record_bytes_, kPrefetchBytesMax);
    for (std::size_t at = 0; at < bytes; at += 64) __builtin_prefetch(record + at);
    __builtin_prefetch(record + bytes - 1);
  }

  void Gather(std::span<const SortEntry> entries, Output& out) {
    const std::size_t per_chunk = std::max<std::size_t>(kChunkBytes / record_bytes_, 1);
    std::vector<char> chunk(per_chunk * record_bytes_);
    std::array<const char*, kAhead> ahead;
    const auto ask = [&](std::size_t i) {
      if (i >= entries.size()) return;
      ahead[i % kAhead] = records_->Record(EntryId(entries[i]));
      Prefetch(ahead[i % kAhead]);
    };
    for (std::size_t i = 0; i < kAhead; ++i) ask(i);
    for (std::size_t i = 0; i < entries.size();) {
      const std::size_t count = std::min(per_chunk, entries.size() - i);
      char* to = chunk.data();
      for (const std::size_t end = i + count; i < end; ++i, to += record_bytes_) {
        std::memcpy(to, ahead[i % kAhead], record_bytes_);
        ask(i + kAhead);
      }
      out.EmitFormatted({chunk.data(), count * record_bytes_}, count);
    }
  }

  const std::shared_ptr<Kept> kept_;
  const std::shared_ptr<const MappedRecords> records_;
  MemoryRegion room_;
  const std::size_t record_bytes_, key_bytes_;
  std::size_t count_ = 0;  // of entries
};

}  // namespace

bool FitsInMemory(const std::vector<ReferencedFile>& files, std::uint64_t slot_memory_bytes) {
  std::uint64_t records = 0;
  for (const ReferencedFile& file : files) records += file.records;
  // The other half is for the engine's buffers and the process.
  return records <= kRecordsMax && records * sizeof(SortEntry) <= slot_memory_bytes / 2;
}

Job SortInMemory(std::vector<ReferencedFile> files, std::size_t record_bytes, std::size_t key_bytes,
                 Factory<Partitioner> partitioner) {
  Job job;
  job.mapper = [=] {
    return std::make_unique<DealingMapper>(files, record_bytes, key_bytes, partitioner);
  };
  auto kept = std::make_shared<Kept>(std::move(files), record_bytes);
  job.reducer = [=] { return std::make_unique<SortingReducer>(kept, record_bytes, key_bytes); };
  return job;
}

}  // namespace trireme::mapreduce
