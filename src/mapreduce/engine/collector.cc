#include "mapreduce/engine/collector.h"

#include <cstring>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/engine/hash.h"
#include "mapreduce/engine/number.h"

namespace trireme::mapreduce {
namespace {

/// A table whose keys came fewer times than this on average is not worth its cache misses.
constexpr double kFoldedMin = 1.5;
/// With so many keys it is looked at early, and given up when next to none came twice.
constexpr std::size_t kEarlyLookKeys = 1 << 18;
constexpr double kFoldedEarlyMin = 1.1;
/// Longer keys are not copied aside to be probed in a batch.
constexpr std::size_t kPendingKeyMax = 1024;
/// How many records ahead of the copy a spill prefetches.
constexpr std::size_t kPrefetchDistance = 16;

/// The values of one group of a sorted buffer.
class BufferedValues final : public Values {
 public:
  BufferedValues(const SortBuffer& buffer, std::span<const SortEntry> group,
                 internal::TaskContext* task)
      : buffer_(buffer), group_(group), task_(task) {}

  bool Next(std::string_view* value) override {
    if (at_ == group_.size()) return false;
    *value = buffer_.Record(group_[at_++]).value;
    return true;
  }
  bool Next(std::int64_t* value) override {
    std::string_view text;
    if (!Next(&text)) return false;
    if (ParseNumber(text, value)) return true;
    task_->Fail(absl::InvalidArgumentError(fmt::format("value '{}' is not a whole number", text)));
    return false;
  }

 private:
  const SortBuffer& buffer_;
  std::span<const SortEntry> group_;
  internal::TaskContext* task_;
  std::size_t at_ = 0;
};

class CombinedToRun final : public CombinedValues {
 public:
  CombinedToRun(RunWriter* writer, std::string_view key) : writer_(writer), key_(key) {}
  using CombinedValues::Emit;
  void Emit(std::string_view value) override { writer_->Add(key_, value); }

 private:
  RunWriter* writer_;
  std::string_view key_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Collector>> Collector::Create(const Job& job, Options options,
                                                             internal::TaskContext* task,
                                                             CollectorMemory* memory) {
  std::unique_ptr<Collector> collector(new Collector(job, std::move(options), task, memory));
  TRIREME_ASSIGN_OR_RETURN(collector->writer_, RunWriter::Create(collector->options_.path,
                                                                 collector->options_.partitions));
  return collector;
}

Collector::Collector(const Job& job, Options options, internal::TaskContext* task,
                     CollectorMemory* memory)
    : job_(job),
      options_(std::move(options)),
      task_(task),
      memory_(memory),
      partitioner_(job.partitioner ? job.partitioner() : nullptr),
      combiner_(job.combiner ? job.combiner() : nullptr),
      use_table_(aggregating() && memory->folds_little != task->info().job) {
  if (use_table_) {
    UseTable();
  } else {
    UseBuffer();
  }
}

void Collector::UseTable() {
  memory_->buffer.Free();
  memory_->folds_little.reset();
  memory_->table.Reset(job_.aggregation, options_.memory_bytes);
  memory_->table.Aim(batches_.data());
}

void Collector::UseBuffer() {
  use_table_ = false;
  for (internal::Batch& batch : batches_) {  // prefetching nowhere in particular is harmless
    batch.shift = 63;
    batch.slots = reinterpret_cast<const char*>(&batch);
  }
  memory_->table.Free();
  memory_->entries = {};
  memory_->buffer.Reset(options_.partitions, options_.memory_bytes);
}

std::uint32_t Collector::PartitionOf(std::string_view key) const {
  if (options_.partitions == 1) return 0;
  if (partitioner_ == nullptr) return PartitionOfHash(HashKey(key), options_.partitions);
  return PartitionByUser(key);
}

/// The same for a key whose hash is known.
std::uint32_t Collector::PartitionOf(std::string_view key, std::uint64_t hash) const {
  if (options_.partitions == 1) return 0;
  return partitioner_ == nullptr ? PartitionOfHash(hash, options_.partitions)
                                 : PartitionByUser(key);
}

std::uint32_t Collector::PartitionByUser(std::string_view key) const {
  const std::uint32_t partition = partitioner_->Partition(key, options_.partitions);
  if (partition < options_.partitions) return partition;
  task_->Fail(absl::OutOfRangeError(fmt::format("the partitioner put a key into partition {} of {}",
                                                partition, options_.partitions)));
  return 0;
}

void Collector::Add(std::string_view key, std::string_view value) {
  if (aggregating()) {
    std::int64_t number = 0;
    if (!ParseNumber(value, &number))
      return task_->Fail(absl::InvalidArgumentError(fmt::format(
          "value '{}' of key '{}' is not a whole number, which the job's aggregation needs", value,
          key)));
    return AddNumber(key, number);
  }
  ++emitted_;
  AddToBuffer(PartitionOf(key), key, value);
}

void Collector::AddTo(std::uint32_t partition, std::string_view key, std::string_view value) {
  if (aggregating())
    return task_->Fail(absl::InvalidArgumentError("EmitTo does not go with an aggregation"));
  ++emitted_;
  AddToBuffer(partition, key, value);
}

/// Fails the attempt when not.
inline bool Collector::FitsARecord(std::size_t bytes) {
  if (bytes < kIntermediateRecordBytesMax) [[likely]]
    return true;
  task_->Fail(absl::ResourceExhaustedError(fmt::format(
      "a record of {} bytes was emitted; the limit is {}", bytes, kIntermediateRecordBytesMax)));
  return false;
}

void Collector::AddToBuffer(std::uint32_t partition, std::string_view key, std::string_view value) {
  if (!FitsARecord(key.size() + value.size())) return;
  if (memory_->buffer.Add(partition, key, value)) [[likely]]
    return;
  SpillFull();
  TRIREME_CHECK(memory_->buffer.Add(partition, key, value));
}

void Collector::AddNumber(std::string_view key, std::int64_t value) {
  if (!aggregating()) return Add(key, DecimalNumber(value).view());
  ++emitted_;
  if (job_.aggregation == Aggregation::kCount) value = 1;
  if (!use_table_) return AddToBuffer(PartitionOf(key), key, EncodedNumber(value).view());
  if (key.size() > kPendingKeyMax) {
    if (FitsARecord(key.size() + kVarintBytesMax)) Fold(key, HashKey(key), value);
    return;
  }
  const std::uint64_t hash = HashKey(key);
  memory_->table.Prefetch(hash);
  pending_[pending_count_++] = {hash, value, pending_bytes_.size(), key.size()};
  pending_bytes_ += key;
  if (pending_count_ == kPending) FlushPending();
}

void Collector::Fold(std::string_view key, std::uint64_t hash, std::int64_t value) {
  if (use_table_ && memory_->table.Add(key, hash, value)) [[likely]]
    return;
  if (use_table_) SpillFull();
  if (!use_table_) return AddToBuffer(PartitionOf(key), key, EncodedNumber(value).view());
  if (memory_->table.Add(key, hash, value)) return;
  UseBuffer();  // a key larger than the whole budget: the buffer makes room for it
  AddToBuffer(PartitionOf(key), key, EncodedNumber(value).view());
}

void Collector::FlushPending() {
  for (std::size_t i = 0; i < pending_count_; ++i) {
    const Pending& one = pending_[i];
    Fold(std::string_view(pending_bytes_).substr(one.offset, one.size), one.hash, one.value);
  }
  pending_count_ = 0;
  pending_bytes_.clear();
  LookEarly();
}

inline void Collector::LookEarly() {
  if (memory_->table.size() < kEarlyLookKeys || looked_early_) [[likely]]
    return;
  looked_early_ = true;
  if (use_table_ && FoldsLessThan(kFoldedEarlyMin)) GiveUpTable();
}

bool Collector::FoldsLessThan(double times) const {
  return static_cast<double>(memory_->table.added()) <
         times * static_cast<double>(memory_->table.size());
}

void Collector::GiveUpTable() {
  Spill();
  UseBuffer();
  memory_->folds_little.emplace(task_->info().job);
}

void Collector::AddBatch(internal::Batch& batch) {
  emitted_ += batch.count;
  if (job_.aggregation == Aggregation::kCount)
    for (std::size_t i = 0; i < batch.count; ++i) batch.items[i].value = 1;
  std::size_t done = 0;
  while (use_table_ && (done += memory_->table.AddBatch(batch, done)) < batch.count) SpillFull();
  for (; done < batch.count; ++done) {
    const internal::Batch::Item& item = batch.items[done];
    char bytes[internal::kInlineKeyBytes];
    std::memcpy(bytes, &item.key, sizeof bytes);
    const std::string_view key(bytes, item.size);
    AddToBuffer(PartitionOf(key, item.hash), key, EncodedNumber(item.value).view());
  }
  batch.count = 0;
  if (use_table_) memory_->table.Aim(batches_.data());
}

/// Makes room. A table is looked at when it is full: one that never fills costs little.
void Collector::SpillFull() {
  if (use_table_ && FoldsLessThan(kFoldedMin)) {
    GiveUpTable();
  } else {
    Spill();
  }
}

void Collector::Spill() {
  writer_->BeginRun();
  if (use_table_) {
    SpillTable();
  } else {
    SpillBuffer();
  }
  if (absl::Status status = writer_->EndRun(); !status.ok()) task_->Fail(std::move(status));
}

void Collector::SpillTable() {
  AggregateTable& table = memory_->table;
  const int bits = PartitionBits(options_.partitions);
  std::vector<SortEntry>& entries = memory_->entries;
  entries.clear();
  entries.reserve(table.size());
  table.ForEach([&](std::uint32_t id, const internal::KeyPrefix& prefix, std::uint64_t hash) {
    const std::uint32_t partition = PartitionOf(table.Key(id), hash);
    entries.push_back(
        MakeEntry(partition, bits, __builtin_bswap64(prefix.k0), __builtin_bswap64(prefix.k1), id));
  });
  SortByKey(std::span(entries), bits, [&](std::uint32_t id) { return table.Key(id); });
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i + kPrefetchDistance < entries.size())
      table.PrefetchId(EntryId(entries[i + kPrefetchDistance]));
    const std::uint32_t id = EntryId(entries[i]);
    writer_->BeginPartition(EntryPartition(entries[i], bits));
    writer_->Add(table.Key(id), EncodedNumber(table.Value(id)).view());
  }
  table.Clear();
}

void Collector::SpillBuffer() {
  SortBuffer& buffer = memory_->buffer;
  for (std::size_t i = 0; i < buffer.buckets(); ++i) SpillSorted(buffer.SortBucket(i));
  buffer.Clear();
}

void Collector::SpillSorted(std::span<const SortEntry> entries) {
  const SortBuffer& buffer = memory_->buffer;
  const bool plain = !aggregating() && combiner_ == nullptr;
  for (std::size_t begin = 0, end; begin < entries.size(); begin = end) {
    if (begin + kPrefetchDistance < entries.size())
      buffer.Prefetch(entries[begin + kPrefetchDistance]);
    end = begin + 1;
    writer_->BeginPartition(buffer.Partition(entries[begin]));
    const SortBuffer::RecordView first = buffer.Record(entries[begin]);
    if (plain) {
      writer_->AddEncoded(first.encoded);
      continue;
    }
    while (end < entries.size() && buffer.SameGroup(entries[begin], entries[end], first.key)) ++end;
    const auto group = entries.subspan(begin, end - begin);
    if (!aggregating()) {
      WriteCombined(group);
    } else if (group.size() == 1) {
      writer_->AddEncoded(first.encoded);
    } else {
      WriteFolded(first, group.subspan(1));
    }
  }
}

void Collector::WriteFolded(const SortBuffer::RecordView& first,
                            std::span<const SortEntry> others) {
  std::int64_t sum = 0;
  TRIREME_CHECK(DecodeNumber(first.value, &sum));
  for (SortEntry entry : others) {
    std::int64_t value = 0;
    TRIREME_CHECK(DecodeNumber(memory_->buffer.Record(entry).value, &value));
    sum = trireme::mapreduce::Fold(job_.aggregation, sum, value);
  }
  writer_->Add(first.key, EncodedNumber(sum).view());
}

void Collector::WriteCombined(std::span<const SortEntry> group) {
  const std::string_view key = memory_->buffer.Record(group[0]).key;
  BufferedValues values(memory_->buffer, group, task_);
  CombinedToRun out(writer_.get(), key);
  combiner_->Combine(key, values, out);
}

absl::StatusOr<Collector::Result> Collector::Finish() {
  for (internal::Batch& batch : batches_) AddBatch(batch);
  FlushPending();
  if (memory_->table.size() != 0) Spill();
  if (memory_->buffer.size() != 0) Spill();
  if (!task_->status().ok()) return task_->status();
  TRIREME_RETURN_IF_ERROR(writer_->Finish());
  return Result{writer_->bytes(), writer_->records(), emitted_, writer_->runs()};
}

}  // namespace trireme::mapreduce
