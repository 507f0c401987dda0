#pragma once

/// Trireme MapReduce: what a job is made of (after Dean & Ghemawat, OSDI '04).
///
/// A job is a `Mapper`, usually a `Reducer`, and optionally a `Combiner` or a ready `Aggregation`,
/// a `Partitioner` and formats. Each is made anew for every task by a factory, is used by one
/// thread only, and must depend on nothing but its input: the engine may run a task several times
/// and keeps the output of the first that finishes (the paper's section 3.3).
///
/// Errors: call `Fail` on the context at hand or throw; either fails the attempt, not the worker.
/// Keys order as unsigned bytes. Sizes are bytes throughout.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace trireme::mapreduce {

namespace internal {
class MapSink;
class ReduceSink;
class TaskContext;
struct Batch;
}  // namespace internal

/// What a task is part of. Valid during the task.
struct TaskInfo {
  std::string_view job;
  std::uint32_t task = 0;     ///< index of the map or reduce task within its phase
  std::uint32_t attempt = 0;  ///< 0 for the first try
  std::uint32_t reduces = 0;  ///< partitions of the map output; 0 when the job has no reduce
  bool is_map = false;
};

/// What user code may ask of the engine while it runs. Not thread-safe: one task, one thread.
class Context {
 public:
  explicit Context(internal::TaskContext* task) : task_(task) {}
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  /// Adds to a counter; the sums over all successful tasks are shown with the job.
  void Count(std::string_view counter, std::int64_t by = 1) { Count("user", counter, by); }
  void Count(std::string_view group, std::string_view counter, std::int64_t by);

  /// A line of text shown beside the task.
  void SetStatus(std::string_view status);

  /// Fails this attempt with `message` once the current call returns.
  void Fail(std::string_view message);

  /// A parameter of the job (`--set name=value`), or `otherwise` when it was not given.
  std::string_view Param(std::string_view name, std::string_view otherwise = {}) const;

  const TaskInfo& task() const;

 protected:
  internal::TaskContext* task_;
};

/// One record of the input. The views are valid during the call.
struct Record {
  std::string_view key;  ///< whole files: the file's name; otherwise empty
  std::string_view
      value;  ///< the line without its '\n', the file's contents, the fixed-length record
  std::string_view file;     ///< the path as the input named it
  std::uint64_t offset = 0;  ///< where the record begins in the (decompressed) file
};

/// A run of whole records of one file, as they lie in the file.
struct Block {
  std::string_view data;  ///< followed by at least kBlockPadding readable bytes
  std::string_view file;
  std::uint64_t offset = 0;  ///< of data's first byte in the (decompressed) file
};
inline constexpr std::size_t kBlockPadding = 64;

/// Takes the output of a map. Emitting allocates nothing per record.
class Emitter : public Context {
 public:
  Emitter(internal::TaskContext* task, internal::MapSink* sink, internal::Batch* batch)
      : Context(task), sink_(sink), batch_(batch) {}

  void Emit(std::string_view key, std::string_view value);

  /// In a job with an Aggregation, adds `value` to `key`; otherwise emits it in decimal.
  inline void Emit(std::string_view key, std::int64_t value);
  void Emit(std::string_view key, int value) { Emit(key, static_cast<std::int64_t>(value)); }

  /// Emits into a partition of the caller's choice (< task().reduces) instead of the Partitioner's.
  void EmitTo(std::uint32_t partition, std::string_view key, std::string_view value);

 private:
  void EmitSlow(std::string_view key, std::int64_t value);
  void FlushBatch(internal::Batch& batch);

  internal::MapSink* sink_;
  internal::Batch* batch_;  // two, or null when the job has no Aggregation
};

class Mapper {
 public:
  virtual ~Mapper() = default;
  /// Called once before the first record.
  virtual void Start(Emitter&) {}
  virtual void Map(const Record& record, Emitter& out) = 0;
  /// For mappers that work faster on many records at once. The default calls Map for each record.
  /// Return false to have the engine do that. Only called for the formats lines and fixed:N.
  virtual bool MapBlock(const Block&, Emitter&) { return false; }
  /// Called once after the last record; may emit.
  virtual void Finish(Emitter&) {}
};

/// The values of one key, in the order of map tasks and, within one, of emission.
class Values {
 public:
  virtual ~Values() = default;
  /// False after the last value. The view is valid until the next call.
  virtual bool Next(std::string_view* value) = 0;
  /// The same for values that are decimal integers or come from an Aggregation. A value that is not
  /// a whole decimal number fails the attempt.
  virtual bool Next(std::int64_t* value) = 0;
};

/// Takes the output of a reduce.
class Output : public Context {
 public:
  Output(internal::TaskContext* task, internal::ReduceSink* sink) : Context(task), sink_(sink) {}
  void Emit(std::string_view key, std::string_view value);
  void Emit(std::string_view key, std::int64_t value);
  /// Emits `records` records at once: `bytes` are what the job's OutputFormat would write of them.
  void EmitFormatted(std::string_view bytes, std::uint64_t records);

 private:
  internal::ReduceSink* sink_;
};

class Reducer {
 public:
  virtual ~Reducer() = default;
  virtual void Start(Output&) {}
  /// Called once per key, in sorted order within a partition. Values not read are passed over.
  virtual void Reduce(std::string_view key, Values& values, Output& out) = 0;
  virtual void Finish(Output&) {}
};

/// Takes the values that replace those a combiner was given; their key stays.
class CombinedValues {
 public:
  virtual ~CombinedValues() = default;
  virtual void Emit(std::string_view value) = 0;
  void Emit(std::int64_t value);
};

/// Shrinks map output before it travels (section 4.3). Called any number of times, also never, so
/// it must be associative and commutative and leave the reduce's result as it is.
class Combiner {
 public:
  virtual ~Combiner() = default;
  virtual void Combine(std::string_view key, Values& values, CombinedValues& out) = 0;
};

class Partitioner {
 public:
  virtual ~Partitioner() = default;
  /// The partition in [0, partitions) that `key` belongs to; the same for the same key always.
  virtual std::uint32_t Partition(std::string_view key, std::uint32_t partitions) const = 0;
};

/// The default: a hash of the key's bytes that is the same on every machine.
std::uint32_t HashPartition(std::string_view key, std::uint32_t partitions);

/// A format of input files whose records can be told apart by looking at the bytes.
class RecordFormat {
 public:
  virtual ~RecordFormat() = default;
  /// Given bytes from an arbitrary place of a file (never its start), how many to pass over to be
  /// at the beginning of a record; data.size() when none begins here.
  virtual std::size_t Synchronize(std::string_view data) const = 0;
  /// Reads the record at the front of `data`; returns how many bytes it takes, 0 when more are
  /// needed to tell. At `at_end` there are no more: what is left must be a record, or garbage to
  /// consume.
  virtual std::size_t Next(std::string_view data, bool at_end, Record* record) const = 0;
};

/// A format of output files. The default writes `key<TAB>value\n`, or `key\n` for an empty value.
class OutputFormat {
 public:
  virtual ~OutputFormat() = default;
  virtual void Begin(std::string&) {}
  virtual void Append(std::string_view key, std::string_view value, std::string& out) = 0;
  virtual void End(std::string&) {}
};

/// Ready aggregations over the whole numbers emitted for each key, combined while the map runs.
/// Sums wrap around at 64 bits.
enum class Aggregation : std::uint8_t { kNone, kCount, kSum, kMin, kMax };

template <typename T>
using Factory = std::function<std::unique_ptr<T>()>;

/// A factory of `T`s: `New<WordMapper>()`; arguments are copied into every one made.
template <typename T, typename... Args>
auto New(Args... args) {
  return [=] { return std::make_unique<T>(args...); };
}

/// A job: what to run, without where. Copyable; factories may be called from several threads.
struct Job {
  std::string name;
  std::string description = {};
  Factory<Mapper> mapper = nullptr;
  Factory<Reducer> reducer = nullptr;    ///< none: the values (or the aggregate) as they are
  Factory<Combiner> combiner = nullptr;  ///< none, or use `aggregation`
  Aggregation aggregation = Aggregation::kNone;
  Factory<Partitioner> partitioner = nullptr;     ///< none: HashPartition
  Factory<RecordFormat> record_format = nullptr;  ///< none: what `--format` says
  Factory<OutputFormat> output_format = nullptr;  ///< none: `key<TAB>value` lines
  bool map_only = false;                          ///< no reduce: map output is the output
};

/// Keeps the `k` largest whole numbers of each key; the reducer writes them comma-separated,
/// largest first. Use both together.
Factory<Combiner> TopKCombiner(std::size_t k);
Factory<Reducer> TopKReducer(std::size_t k);

/// Makes a program of the job: `--help` lists how it can be run (embedded, on a cluster, as a
/// streaming mapper, combiner or reducer). Returns the exit status: 0 done, 1 the job failed,
/// 2 wrong use.
int Main(int argc, char** argv, const Job& job);

/// Calls `fn(std::string_view)` for each maximal run of bytes that are not ASCII white space.
template <typename Fn>
void ForEachWord(std::string_view text, Fn&& fn);

/// The same as a range: `for (std::string_view word : Words(line))`.
class Words;

}  // namespace trireme::mapreduce

#include <trireme/internal/mapreduce_inline.h>

/// Exports `job` (an expression of type Job) from a shared object for `trireme mr run --plugin`.
#define TRIREME_MAPREDUCE_PLUGIN(job)                                                       \
  extern "C" __attribute__((visibility("default"))) std::uint32_t trireme_mapreduce_abi() { \
    return ::trireme::mapreduce::internal::kPluginAbi;                                      \
  }                                                                                         \
  extern "C" __attribute__((visibility("default"))) void trireme_mapreduce_job(void* to) {  \
    *static_cast<::trireme::mapreduce::Job*>(to) = (job);                                   \
  }
