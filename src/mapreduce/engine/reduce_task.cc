#include <unistd.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/engine/hash.h"
#include "mapreduce/engine/memory_region.h"
#include "mapreduce/engine/merge.h"
#include "mapreduce/engine/number.h"
#include "mapreduce/engine/part_writer.h"
#include "mapreduce/engine/short_copy.h"
#include "mapreduce/engine/task.h"

namespace trireme::mapreduce {
namespace {

/// What one open source of a merge holds in memory.
constexpr std::size_t kSourceBytes = 160 << 10;
constexpr std::size_t kFanInMin = 8;
constexpr std::size_t kFanInMax = 512;
/// Open files of a merge beside its sources: the run or part it writes, what it reads next.
constexpr std::size_t kOtherFiles = 4;
constexpr std::size_t kMergeFilesMin = 8;
/// Records between two looks at progress and cancellation.
constexpr std::uint64_t kCheckEvery = 4096;

/// Sources that may be open at one time, merged ones that wait for the last merge included.
std::size_t OpenMax(const TaskEnvironment& environment) {
  return std::max(environment.files_max, kMergeFilesMin) - kOtherFiles;
}

std::size_t FanIn(const TaskEnvironment& environment) {
  const std::size_t by_memory =
      std::clamp(environment.memory_bytes / kSourceBytes, kFanInMin, kFanInMax);
  return std::min(by_memory, OpenMax(environment));
}

/// The merged stream cut into groups of equal keys.
class GroupStream {
 public:
  /// Progress is shown beyond what earlier merges have read.
  GroupStream(Merger* merger, Aggregation aggregation, std::uint64_t bytes_before,
              internal::TaskContext* context)
      : merger_(*merger),
        aggregation_(aggregation),
        bytes_before_(bytes_before),
        context_(context) {}

  /// Passes to the next group; false after the last or after an error.
  bool NextGroup() {
    while (in_group_ && status_.ok()) SkipValue();
    if (merger_.done() || !status_.ok()) return false;
    HoldKey();
    in_group_ = true;
    first_ = true;
    ++groups_;
    return true;
  }

  /// Passes to the next value of the group; false when there is none.
  bool NextValue() {
    if (!in_group_) return false;
    if (first_) {
      first_ = false;
    } else {
      SkipValue();
    }
    return in_group_;
  }

  /// Shows progress; takes over a failure or a cancellation, which ends the stream.
  void Check() {
    TaskProgress& progress = *context_->control().progress;
    progress.records.store(records_, std::memory_order_relaxed);
    progress.bytes.store(bytes_before_ + bytes_, std::memory_order_relaxed);
    if (!status_.ok()) return;
    if (context_->cancelled()) status_ = absl::CancelledError("the attempt was cancelled");
    if (!context_->status().ok()) status_ = context_->status();
  }

  std::string_view key() const { return {key_.data(), key_size_}; }
  std::string_view value() const { return merger_.value(); }
  bool Number(std::int64_t* value) {
    const std::string_view bytes = merger_.value();
    const bool ok =
        aggregation_ == Aggregation::kNone ? ParseNumber(bytes, value) : DecodeNumber(bytes, value);
    if (!ok)
      context_->Fail(absl::InvalidArgumentError(fmt::format(
          "value '{}' of key '{}' is not a whole number", bytes.substr(0, 100), key())));
    return ok;
  }

  /// The group's numbers folded into one.
  std::int64_t FoldGroup() {
    std::int64_t sum = 0, value = 0;
    for (bool first = true; NextValue(); first = false) {
      if (!Number(&value)) return 0;
      sum = first ? value : Fold(aggregation_, sum, value);
    }
    return sum;
  }

  const absl::Status& status() const { return status_; }
  std::uint64_t groups() const { return groups_; }
  std::uint64_t records() const { return records_; }
  /// About as many as the sources' left_bytes() once were.
  std::uint64_t bytes() const { return bytes_; }

 private:
  /// Of the two sizes of most records, in a block.
  static constexpr std::uint64_t kSizeBytes = 2;

  void HoldKey() {
    const std::string_view key = merger_.key();
    if (key_.size() < key.size() + kCopySlack) key_.resize(2 * key.size() + kCopySlack);
    (void)CopyShort(key_.data(), key);
    key_size_ = key.size();
    key_rank_ = merger_.key_rank();
  }

  bool SameKey() const {
    if (merger_.key_rank() != key_rank_ || merger_.key().size() != key_size_) return false;
    return key_size_ <= internal::kInlineKeyBytes || merger_.key() == key();
  }

  void SkipValue() {
    ++records_;
    bytes_ += merger_.key().size() + merger_.value().size() + kSizeBytes;
    if (records_ % kCheckEvery == 0) Check();
    if (absl::Status status = merger_.Pop(); !status.ok()) [[unlikely]]
      status_ = std::move(status);
    in_group_ = status_.ok() && !merger_.done() && SameKey();
  }

  Merger& merger_;
  Aggregation aggregation_;
  const std::uint64_t bytes_before_;
  internal::TaskContext* context_;
  std::string key_;  // key_size_ bytes of it
  std::size_t key_size_ = 0;
  unsigned __int128 key_rank_ = 0;
  bool in_group_ = false;
  bool first_ = false;
  absl::Status status_;
  std::uint64_t groups_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t bytes_ = 0;
};

/// A group as the user's reducer sees it.
class GroupValues final : public Values {
 public:
  GroupValues(GroupStream* groups, bool numbers) : groups_(*groups), numbers_(numbers) {}
  bool Next(std::string_view* value) override {
    if (!groups_.NextValue()) return false;
    *value = groups_.value();
    if (!numbers_) return true;
    std::int64_t number = 0;
    if (!groups_.Number(&number)) return false;
    decimal_ = DecimalNumber(number);
    *value = decimal_.view();
    return true;
  }
  bool Next(std::int64_t* value) override { return groups_.NextValue() && groups_.Number(value); }

 private:
  GroupStream& groups_;
  bool numbers_;
  DecimalNumber decimal_{0};
};

/// One reduce attempt: gathers the map outputs, merges them in bounded memory, reduces.
class ReduceLoop {
 public:
  ReduceLoop(const Job& job, const JobSettings& settings, const ReduceTask& task,
             const TaskEnvironment& environment, internal::TaskContext* context,
             TaskFailure* failure)
      : job_(job),
        settings_(settings),
        task_(task),
        environment_(environment),
        context_(context),
        failure_(failure),
        fan_in_(FanIn(environment)),
        open_max_(OpenMax(environment)) {}

  absl::StatusOr<TaskResult> Run(io::FileWriter* part) {
    TRIREME_RETURN_IF_ERROR(Gather());
    PartWriter writer(part, job_.output_format ? job_.output_format() : nullptr,
                      settings_.compress_output, context_);
    ShowTotal();
    Merger merger(std::move(sources_));
    maps_of_merge_ = std::move(map_of_source_);
    TRIREME_RETURN_IF_ERROR(Blame(merger.Start(), merger));
    GroupStream groups(&merger, job_.aggregation, bytes_merged_, context_);
    Reduce(groups, writer);
    TRIREME_RETURN_IF_ERROR(Blame(groups.status(), merger));
    TRIREME_RETURN_IF_ERROR(writer.Finish());
    TaskResult result;
    result.input_bytes = input_bytes_;
    result.input_records = groups.records();
    result.input_groups = groups.groups();
    result.output_bytes = writer.bytes();
    result.output_records = writer.records();
    return result;
  }

 private:
  /// Opens all map outputs; while they are too many for one merge, merges the oldest into a run.
  absl::Status Gather() {
    for (std::uint32_t map = 0; map < task_.maps; ++map) {
      if (context_->cancelled()) return absl::CancelledError("the attempt was cancelled");
      auto opened = task_.open(map);
      if (!opened.ok()) {
        if (absl::IsDataLoss(opened.status())) failure_->lost_map = map;
        return opened.status();
      }
      for (auto& source : *opened) {
        input_bytes_ += source->left_bytes();
        sources_.push_back(std::move(source));
        map_of_source_.push_back(map);
      }
      while (sources_.size() - merged_ >= fan_in_ || sources_.size() >= open_max_)
        TRIREME_RETURN_IF_ERROR(MergeSome());
    }
    // Runs of earlier merges count as sources of the last one.
    while (sources_.size() > fan_in_) TRIREME_RETURN_IF_ERROR(MergeSome());
    return absl::OkStatus();
  }

  /// Replaces the first unmerged fan_in_ sources by one run that holds the same records in the same
  /// order; when few are left unmerged, starts over with the merged ones.
  absl::Status MergeSome() {
    if (sources_.size() - merged_ < 2) merged_ = 0;
    const std::size_t count = std::min(fan_in_, sources_.size() - merged_);
    const auto begin = sources_.begin() + static_cast<std::ptrdiff_t>(merged_);
    const auto end = begin + static_cast<std::ptrdiff_t>(count);
    std::vector<std::unique_ptr<BlockSource>> some(std::make_move_iterator(begin),
                                                   std::make_move_iterator(end));
    const auto maps = map_of_source_.begin() + static_cast<std::ptrdiff_t>(merged_);
    maps_of_merge_.assign(maps, maps + static_cast<std::ptrdiff_t>(count));
    const std::string path = fmt::format("{}/merge-{}-{}-{}.run", environment_.scratch_directory,
                                         task_.index, task_.attempt, ++merges_);
    TRIREME_RETURN_IF_ERROR(MergeInto(path, std::move(some)));
    std::vector<std::unique_ptr<BlockSource>> merged;
    TRIREME_RETURN_IF_ERROR(OpenPartition(path, 0, &merged));
    ::unlink(path.c_str());  // it lives as long as it is open
    // None when there was no record; otherwise one, which is no map's: if it goes bad, none is
    // lost.
    const auto kept = static_cast<std::ptrdiff_t>(merged.size());
    std::move(merged.begin(), merged.end(), begin);
    std::fill(maps, maps + kept, TaskFailure::kNoMap);
    sources_.erase(begin + kept, end);
    map_of_source_.erase(maps + kept, maps + static_cast<std::ptrdiff_t>(count));
    merged_ += merged.size();
    return absl::OkStatus();
  }

  absl::Status MergeInto(const std::string& path, std::vector<std::unique_ptr<BlockSource>> some) {
    TRIREME_ASSIGN_OR_RETURN(std::unique_ptr<RunWriter> run, RunWriter::Create(path, 1));
    run->BeginRun();
    Merger merger(std::move(some));
    TRIREME_RETURN_IF_ERROR(Blame(merger.Start(), merger));
    GroupStream groups(&merger, job_.aggregation, bytes_merged_, context_);
    while (groups.NextGroup()) {
      if (job_.aggregation != Aggregation::kNone) {
        run->Add(groups.key(), EncodedNumber(groups.FoldGroup()).view());
        continue;
      }
      while (groups.NextValue()) run->Add(groups.key(), groups.value());
    }
    TRIREME_RETURN_IF_ERROR(Blame(groups.status(), merger));
    bytes_merged_ += groups.bytes();
    TRIREME_RETURN_IF_ERROR(run->EndRun());
    return run->Finish();
  }

  /// From here on it is known how much is left to do.
  void ShowTotal() {
    std::uint64_t left = 0;
    for (const auto& source : sources_) left += source->left_bytes();
    TaskProgress& progress = *context_->control().progress;
    progress.bytes.store(bytes_merged_, std::memory_order_relaxed);
    progress.bytes_total.store(bytes_merged_ + left, std::memory_order_relaxed);
  }

  void Reduce(GroupStream& groups, PartWriter& writer) {
    if (job_.reducer) return ReduceByUser(groups, writer);
    while (groups.NextGroup()) {
      if (job_.aggregation != Aggregation::kNone) {
        const std::int64_t sum = groups.FoldGroup();
        writer.AddNumber(groups.key(), sum);
        continue;
      }
      while (groups.NextValue()) writer.Add(groups.key(), groups.value());
    }
  }

  void ReduceByUser(GroupStream& groups, PartWriter& writer) {
    const std::unique_ptr<Reducer> reducer = job_.reducer();
    Output out(context_, &writer);
    GroupValues values(&groups, job_.aggregation != Aggregation::kNone);
    reducer->Start(out);
    groups.Check();
    while (groups.NextGroup()) {
      reducer->Reduce(groups.key(), values, out);
      groups.Check();  // per group, since the user's code may take any time for one
    }
    if (groups.status().ok()) reducer->Finish(out);
  }

  /// Notes which map output an error came from.
  absl::Status Blame(absl::Status status, const Merger& merger) {
    if (absl::IsDataLoss(status) && merger.failed_source() < maps_of_merge_.size())
      failure_->lost_map = maps_of_merge_[merger.failed_source()];
    return status;
  }

  const Job& job_;
  const JobSettings& settings_;
  const ReduceTask& task_;
  const TaskEnvironment& environment_;
  internal::TaskContext* context_;
  TaskFailure* failure_;
  const std::size_t fan_in_;
  const std::size_t open_max_;
  std::uint64_t input_bytes_ = 0;  ///< of all map outputs, as they lie there
  std::vector<std::unique_ptr<BlockSource>> sources_;
  std::vector<std::uint32_t> map_of_source_;
  std::vector<std::uint32_t> maps_of_merge_;
  std::size_t merged_ = 0;  // this many of sources_, at the front, are runs of our own
  std::uint32_t merges_ = 0;
  std::uint64_t bytes_merged_ = 0;  // read by merges before the last one
};

}  // namespace

absl::StatusOr<TaskResult> RunReduceTask(const Job& job, const JobSettings& settings,
                                         const ReduceTask& task, const TaskEnvironment& environment,
                                         TaskControl* control,
                                         std::unique_ptr<io::FileWriter>* part,
                                         TaskFailure* failure) {
  const TaskInfo info{settings.name, task.index, task.attempt, settings.reduces, false};
  internal::TaskContext context(info, &settings.parameters, control);
  try {
    TRIREME_ASSIGN_OR_RETURN(*part,
                             environment.files->Create(task.output_path, settings.durability));
    ReduceLoop loop(job, settings, task, environment, &context, failure);
    auto result = loop.Run(part->get());
    if (!result.ok()) return result.status();
    TRIREME_RETURN_IF_ERROR(context.status());
    result->counters = std::move(context.counters());
    return result;
  } catch (const MemoryRefused& refused) {
    return absl::ResourceExhaustedError(refused.what());
  } catch (const std::exception& error) {
    return absl::AbortedError(fmt::format("the reduce threw: {}", error.what()));
  } catch (...) {
    return absl::AbortedError("the reduce threw something that is not a std::exception");
  }
}

}  // namespace trireme::mapreduce
