#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mapreduce/engine/aggregate_table.h"
#include "mapreduce/engine/context.h"
#include "mapreduce/engine/run_file.h"
#include "mapreduce/engine/sort_buffer.h"

namespace trireme::mapreduce {

/// Memory that a slot keeps from task to task, so that only the first pays for its pages.
struct CollectorMemory {
  AggregateTable table;
  SortBuffer buffer;
  std::vector<SortEntry> entries;           ///< of the table while it is spilled
  std::optional<std::string> folds_little;  ///< the job whose last full table was not worth it
};

/// Takes a map's output within a memory budget and leaves an intermediate file.
///
/// Without an aggregation, records gather in a SortBuffer; with one, numbers fold in an
/// AggregateTable. Whichever is full is sorted and spilled as a run of the file. A table that folds
/// little (most keys are seen once) gives way to the buffer, which takes a record for half the
/// cost; equal keys then fold when the buffer is spilled. The job's next tasks on this memory begin
/// with the buffer.
class Collector final : public internal::MapSink {
 public:
  struct Options {
    std::string path;  ///< of the intermediate file
    std::uint32_t partitions = 1;
    std::size_t memory_bytes = 0;
  };
  struct Result {
    std::uint64_t bytes = 0;
    std::uint64_t records = 0;  ///< after combining
    std::uint64_t emitted = 0;  ///< by the map
    std::uint32_t spills = 0;
  };

  /// `job`, `task` and `memory` outlive the collector.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Collector>> Create(
      const Job& job, Options options, internal::TaskContext* task, CollectorMemory* memory);

  void Add(std::string_view key, std::string_view value) override;
  void AddTo(std::uint32_t partition, std::string_view key, std::string_view value) override;
  void AddNumber(std::string_view key, std::int64_t value) override;
  void AddBatch(internal::Batch& batch) override;

  /// Spills what is left and closes the file.
  [[nodiscard]] absl::StatusOr<Result> Finish();

  /// The batches for the Emitter; null when the job has no aggregation.
  internal::Batch* batches() { return aggregating() ? batches_.data() : nullptr; }

 private:
  /// A key over 16 bytes on its way into the table: prefetched, probed when kPending have gathered.
  struct Pending {
    std::uint64_t hash;
    std::int64_t value;
    std::size_t offset, size;
  };
  static constexpr std::size_t kPending = 32;

  Collector(const Job& job, Options options, internal::TaskContext* task, CollectorMemory* memory);

  bool aggregating() const { return job_.aggregation != Aggregation::kNone; }
  std::uint32_t PartitionOf(std::string_view key) const;
  std::uint32_t PartitionOf(std::string_view key, std::uint64_t hash) const;
  std::uint32_t PartitionByUser(std::string_view key) const;
  void AddToBuffer(std::uint32_t partition, std::string_view key, std::string_view value);
  void FlushPending();
  void Fold(std::string_view key, std::uint64_t hash, std::int64_t value);
  void LookEarly();
  bool FoldsLessThan(double times) const;
  void GiveUpTable();
  void SpillFull();
  void Spill();
  void SpillTable();
  void SpillBuffer();
  void SpillSorted(std::span<const SortEntry> entries);
  void WriteFolded(const SortBuffer::RecordView& first, std::span<const SortEntry> others);
  void WriteCombined(std::span<const SortEntry> group);
  void UseTable();
  void UseBuffer();
  bool FitsARecord(std::size_t bytes);

  const Job& job_;
  Options options_;
  internal::TaskContext* task_;
  CollectorMemory* memory_;
  std::unique_ptr<Partitioner> partitioner_;
  std::unique_ptr<Combiner> combiner_;
  std::unique_ptr<RunWriter> writer_;
  bool use_table_;
  bool looked_early_ = false;
  std::array<internal::Batch, 2> batches_;
  std::array<Pending, kPending> pending_;
  std::size_t pending_count_ = 0;
  std::string pending_bytes_;
  std::uint64_t emitted_ = 0;
};

}  // namespace trireme::mapreduce
