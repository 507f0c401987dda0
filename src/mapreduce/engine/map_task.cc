#include <algorithm>
#include <exception>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/engine/block_reader.h"
#include "mapreduce/engine/memory_region.h"
#include "mapreduce/engine/part_writer.h"
#include "mapreduce/engine/task.h"

namespace trireme::mapreduce {
namespace {

/// The map output of a job without reduces.
class PartSink final : public internal::MapSink {
 public:
  explicit PartSink(PartWriter* part) : part_(part) {}
  void Add(std::string_view key, std::string_view value) override { part_->Add(key, value); }
  void AddTo(std::uint32_t, std::string_view key, std::string_view value) override {
    part_->Add(key, value);
  }
  void AddNumber(std::string_view key, std::int64_t value) override {
    part_->AddNumber(key, value);
  }
  void AddBatch(internal::Batch& batch) override { batch.count = 0; }

 private:
  PartWriter* part_;
};

/// Feeds a split to the user's mapper and keeps the attempt's progress.
class MapLoop {
 public:
  MapLoop(const Job& job, const JobSettings& settings, const MapTask& task,
          const TaskEnvironment& environment, internal::TaskContext* context)
      : task_(task),
        context_(context),
        progress_(*context->control().progress),
        record_format_(job.record_format ? job.record_format() : nullptr),
        reader_(environment.files, task.split, {settings.input_format, record_format_.get()}),
        mapper_(job.mapper()),
        record_bytes_(settings.input_format.kind == InputFormat::Kind::kFixed &&
                              record_format_ == nullptr
                          ? settings.input_format.record_bytes
                          : 0),
        // A retried attempt goes record by record, so that a second crash names its record.
        by_record_(task.attempt > 0 || !task.skip.empty() || record_format_ != nullptr ||
                   settings.input_format.kind == InputFormat::Kind::kFiles) {}

  absl::Status Run(Emitter& out) {
    mapper_->Start(out);
    Block block;
    for (;;) {
      TRIREME_RETURN_IF_ERROR(context_->status());
      if (context_->cancelled()) return absl::CancelledError("the attempt was cancelled");
      TRIREME_ASSIGN_OR_RETURN(const bool more, reader_.Next(&block));
      if (!more) break;
      MapOne(block, out);
      progress_.bytes.store(reader_.input_bytes_read(), std::memory_order_relaxed);
    }
    mapper_->Finish(out);
    return context_->status();
  }

  std::uint64_t bytes() const { return reader_.input_bytes_read(); }
  std::uint64_t records() const { return counted_ ? records_ : TaskResult::kNotCounted; }

 private:
  void MapOne(const Block& block, Emitter& out) {
    range_ = static_cast<std::uint32_t>(reader_.range_index());
    progress_.range.store(range_, std::memory_order_relaxed);
    progress_.offset.store(block.offset, std::memory_order_relaxed);
    progress_.in_record.store(1, std::memory_order_relaxed);
    if (by_record_ || !mapper_->MapBlock(block, out)) {
      by_record_ = true;
      MapRecords(block, out);
    } else {
      counted_ &= record_bytes_ != 0;
      if (record_bytes_ != 0) records_ += block.data.size() / record_bytes_;
      progress_.records.fetch_add(1, std::memory_order_relaxed);  // blocks are progress too
    }
    // A record that failed the attempt stays in hand, for the report.
    if (context_->status().ok()) progress_.in_record.store(0, std::memory_order_relaxed);
  }

  void MapRecords(const Block& block, Emitter& out) {
    RecordIterator records(block, reader_);
    Record record;
    std::uint64_t count = progress_.records.load(std::memory_order_relaxed);
    while (records.Next(&record)) {
      if (!task_.skip.empty() && std::binary_search(task_.skip.begin(), task_.skip.end(),
                                                    RecordPlace{range_, record.offset})) {
        out.Count("trireme", "records skipped", 1);
        continue;
      }
      progress_.offset.store(record.offset, std::memory_order_relaxed);
      progress_.records.store(++count, std::memory_order_relaxed);
      ++records_;
      mapper_->Map(record, out);
      if (!context_->status().ok() || context_->cancelled()) [[unlikely]]
        return;
    }
  }

  const MapTask& task_;
  internal::TaskContext* context_;
  TaskProgress& progress_;
  std::unique_ptr<RecordFormat> record_format_;
  BlockReader reader_;
  std::unique_ptr<Mapper> mapper_;
  const std::uint32_t record_bytes_;  // of the format fixed:N, else 0
  bool by_record_;
  bool counted_ = true;
  std::uint64_t records_ = 0;
  std::uint32_t range_ = 0;
};

absl::StatusOr<TaskResult> MapToRuns(const Job& job, const JobSettings& settings,
                                     const MapTask& task, const TaskEnvironment& environment,
                                     internal::TaskContext* context) {
  TRIREME_ASSIGN_OR_RETURN(
      std::unique_ptr<Collector> collector,
      Collector::Create(job, {task.output_path, settings.reduces, environment.memory_bytes},
                        context, environment.memory));
  Emitter out(context, collector.get(), collector->batches());
  MapLoop loop(job, settings, task, environment, context);
  TRIREME_RETURN_IF_ERROR(loop.Run(out));
  TRIREME_ASSIGN_OR_RETURN(const Collector::Result collected, collector->Finish());
  TaskResult result;
  result.input_bytes = loop.bytes();
  result.input_records = loop.records();
  result.output_bytes = collected.bytes;
  result.output_records = collected.emitted;
  result.spilled_records = collected.records;
  result.spills = collected.spills;
  return result;
}

absl::StatusOr<TaskResult> MapToPart(const Job& job, const JobSettings& settings,
                                     const MapTask& task, const TaskEnvironment& environment,
                                     internal::TaskContext* context,
                                     std::unique_ptr<io::FileWriter>* part) {
  TRIREME_ASSIGN_OR_RETURN(*part, environment.files->Create(task.output_path, settings.durability));
  PartWriter writer(part->get(), job.output_format ? job.output_format() : nullptr,
                    settings.compress_output, context);
  PartSink sink(&writer);
  Emitter out(context, &sink, nullptr);
  MapLoop loop(job, settings, task, environment, context);
  TRIREME_RETURN_IF_ERROR(loop.Run(out));
  TRIREME_RETURN_IF_ERROR(writer.Finish());
  TaskResult result;
  result.input_bytes = loop.bytes();
  result.input_records = loop.records();
  result.output_bytes = writer.bytes();
  result.output_records = writer.records();
  return result;
}

}  // namespace

absl::StatusOr<TaskResult> RunMapTask(const Job& job, const JobSettings& settings,
                                      const MapTask& task, const TaskEnvironment& environment,
                                      TaskControl* control, std::unique_ptr<io::FileWriter>* part) {
  const TaskInfo info{settings.name, task.index, task.attempt, settings.reduces, true};
  internal::TaskContext context(info, &settings.parameters, control);
  try {
    auto result = settings.reduces == 0
                      ? MapToPart(job, settings, task, environment, &context, part)
                      : MapToRuns(job, settings, task, environment, &context);
    if (!result.ok()) return result.status();
    result->counters = std::move(context.counters());
    return result;
  } catch (const MemoryRefused& refused) {
    return absl::ResourceExhaustedError(refused.what());
  } catch (const std::exception& error) {
    return absl::AbortedError(fmt::format("the map threw: {}", error.what()));
  } catch (...) {
    return absl::AbortedError("the map threw something that is not a std::exception");
  }
}

std::string PartName(bool map_only, std::uint32_t index, bool compressed) {
  return fmt::format("part-{}-{:05}{}", map_only ? 'm' : 'r', index, compressed ? ".zst" : "");
}

}  // namespace trireme::mapreduce
