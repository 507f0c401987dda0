#include "mapreduce/cluster/attempt_runner.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/file.h"
#include "mapreduce/cluster/rebased_files.h"

namespace trireme::mapreduce {
namespace {

/// Of a map output that goes to the store, at a time.
constexpr std::size_t kStoreBytes = 1u << 20;

/// Where in the split the plan's record is: the range of its file that its offset lies in, or for
/// a compressed file (whose offsets count decompressed bytes) the only one.
std::vector<RecordPlace> PlacesOf(const std::vector<plan::RecordPosition>& positions,
                                  const Split& split) {
  std::vector<RecordPlace> places;
  for (const plan::RecordPosition& position : positions) {
    std::optional<std::uint32_t> found;
    for (std::uint32_t i = 0; i < split.ranges.size(); ++i) {
      const InputRange& range = split.ranges[i];
      if (range.path != position.file) continue;
      const bool within =
          position.offset >= range.offset && position.offset - range.offset < range.length;
      if (within || !found) found = i;
    }
    if (found) places.push_back({*found, position.offset});
  }
  std::sort(places.begin(), places.end());
  return places;
}

absl::StatusOr<std::vector<std::unique_ptr<BlockSource>>> OpenInput(const MapInput& input,
                                                                    std::uint32_t partition) {
  std::vector<std::unique_ptr<BlockSource>> sources;
  if (!input.segments) {
    TRIREME_RETURN_IF_ERROR(OpenPartition(input.path, partition, &sources));
    return sources;
  }
  TRIREME_ASSIGN_OR_RETURN(io::File file, io::File::OpenForRead(input.path));
  auto shared = std::make_shared<const io::File>(std::move(file));
  for (const Segment& segment : *input.segments) sources.push_back(ReadBlocks(shared, segment));
  return sources;
}

/// One attempt's calls into the engine.
class Run {
 public:
  Run(const AttemptSpec& spec, Job job, TaskEnvironment environment, TaskControl* control,
      AttemptHost& host)
      : spec_(spec),
        settings_(spec.job->settings),
        job_(std::move(job)),
        environment_(std::move(environment)),
        control_(control),
        host_(host) {}

  AttemptOutcome Go() {
    auto result = spec_.phase == plan::Phase::kMap ? Map() : Reduce();
    if (result.ok() && part_ != nullptr) {
      if (absl::Status status = Commit(*result); !status.ok()) result = status;
    }
    if (part_ != nullptr && !result.ok()) part_->Abort();
    const JobSetup& setup = *spec_.job;
    if (result.ok() && part_ == nullptr && !setup.intermediate.empty()) {
      if (absl::Status status = Store(); !status.ok()) result = status;
    }
    return {std::move(result), failure_};
  }

 private:
  absl::StatusOr<TaskResult> Map() {
    const MapTask task{spec_.index, spec_.number, spec_.split, PlacesOf(spec_.skip, spec_.split),
                       spec_.output_path};
    return RunMapTask(job_, settings_, task, environment_, control_, &part_);
  }

  absl::StatusOr<TaskResult> Reduce() {
    ReduceTask task{spec_.index, spec_.number, spec_.maps, spec_.output_path, nullptr};
    task.open =
        [this](std::uint32_t map) -> absl::StatusOr<std::vector<std::unique_ptr<BlockSource>>> {
      TRIREME_ASSIGN_OR_RETURN(const MapInput input, host_.FindMapOutput(map));
      auto sources = OpenInput(input, spec_.index);
      // A map output that is not there is as lost as one that is damaged.
      if (absl::IsNotFound(sources.status()))
        return absl::DataLossError(std::string(sources.status().message()));
      return sources;
    };
    return RunReduceTask(job_, settings_, task, environment_, control_, &part_, &failure_);
  }

  /// Moves the map output to the object store.
  absl::Status Store() {
    TRIREME_ASSIGN_OR_RETURN(const io::File file, io::File::OpenForRead(spec_.output_path));
    TRIREME_ASSIGN_OR_RETURN(
        const auto stored,
        environment_.files->Create(StoredMapOutput(*spec_.job, spec_.index, spec_.id),
                                   io::Durability::kPowerLoss));
    std::string buffer(kStoreBytes, '\0');
    for (std::uint64_t offset = 0;;) {
      TRIREME_ASSIGN_OR_RETURN(const std::size_t n,
                               file.ReadAt(offset, buffer.data(), buffer.size()));
      if (n == 0) break;
      if (control_->cancelled) return absl::CancelledError("the attempt was cancelled");
      TRIREME_RETURN_IF_ERROR(stored->Append(std::string_view(buffer).substr(0, n)));
      offset += n;
    }
    TRIREME_RETURN_IF_ERROR(stored->Commit());
    return environment_.files->RemoveTree(spec_.output_path);
  }

  absl::Status Commit(const TaskResult& result) {
    if (!host_.MayCommit(result)) return absl::CancelledError("another attempt was preferred");
    return part_->Commit();
  }

  const AttemptSpec& spec_;
  const JobSettings& settings_;
  const Job job_;
  const TaskEnvironment environment_;
  TaskControl* control_;
  AttemptHost& host_;
  std::unique_ptr<io::FileWriter> part_;
  TaskFailure failure_;
};

void Free(CollectorMemory& memory) {
  memory.table.Free();
  memory.buffer.Free();
  memory.entries = {};
}

std::string ScratchOf(const AttemptSpec& spec, const std::string& scratch) {
  return fmt::format("{}/attempt-{}", scratch, spec.id);
}

AttemptOutcome RunInScratch(const LoadedJob& job, const AttemptSpec& spec,
                            TaskEnvironment environment, std::size_t command_memory_bytes,
                            TaskControl* control, AttemptHost& host) {
  if (absl::Status made = environment.files->MakeDirectories(environment.scratch_directory);
      !made.ok())
    return {made, {}};
  const AttemptHooks hooks{&spec, &control->cancelled, command_memory_bytes,
                           [&host](std::string_view bytes) { host.OnStderr(bytes); }};
  try {
    return Run(spec, job.ForAttempt(hooks), std::move(environment), control, host).Go();
  } catch (const std::exception& error) {
    return {absl::AbortedError(fmt::format("user code threw: {}", error.what())), {}};
  } catch (...) {
    return {absl::AbortedError("user code threw something that is not a std::exception"), {}};
  }
}

}  // namespace

AttemptOutcome RunAttempt(const LoadedJob& job, const AttemptSpec& spec,
                          TaskEnvironment environment, const std::string& scratch,
                          std::size_t command_memory_bytes, TaskControl* control,
                          AttemptHost& host) {
  environment.scratch_directory = ScratchOf(spec, scratch);
  const std::string directory = environment.scratch_directory;
  RebasedFileSystem rebased(environment.files, spec.job->working_directory);
  io::FileSystem* files = environment.files = &rebased;
  CollectorMemory* const memory = environment.memory;
  // A merge needs the memory that the maps before it were collected in.
  if (spec.phase == plan::Phase::kReduce) Free(*environment.memory);
  control->on_status = [&host](std::string_view text) { host.OnStatus(text); };
  AttemptOutcome outcome =
      RunInScratch(job, spec, std::move(environment), command_memory_bytes, control, host);
  control->on_status = nullptr;
  // What was thrown in the middle of its growth is not to be used again.
  if (absl::IsResourceExhausted(outcome.result.status()) ||
      absl::IsAborted(outcome.result.status()))
    Free(*memory);
  if (!outcome.result.ok() && control->cancelled.load())
    outcome.result = absl::CancelledError("the attempt was cancelled");
  (void)files->RemoveTree(directory);  // what stays is removed with its parent
  return outcome;
}

void DropOutput(const AttemptSpec& spec, io::FileSystem& files, const std::string& scratch) {
  (void)files.RemoveTree(ScratchOf(spec, scratch));
  if (spec.phase == plan::Phase::kMap && spec.job->settings.reduces > 0)
    (void)files.RemoveTree(spec.output_path);
}

void Reset(TaskProgress& progress) {
  progress.bytes = 0;
  progress.bytes_total = 0;
  progress.records = 0;
  progress.range = 0;
  progress.offset = 0;
  progress.in_record = 0;
}

std::optional<plan::RecordPosition> RecordInHand(const AttemptSpec& spec,
                                                 const TaskProgress& progress) {
  const std::uint32_t range = progress.range.load(std::memory_order_relaxed);
  if (progress.in_record.load(std::memory_order_relaxed) == 0 || range >= spec.split.ranges.size())
    return std::nullopt;
  return plan::RecordPosition{spec.split.ranges[range].path,
                              progress.offset.load(std::memory_order_relaxed)};
}

AttemptFailure DescribeFailure(const AttemptSpec& spec, const absl::Status& status,
                               const TaskFailure& failure, const TaskProgress& progress) {
  AttemptFailure described;
  described.message = std::string(status.message());
  described.lost_map = failure.lost_map;
  if (failure.lost_map != TaskFailure::kNoMap) {
    described.kind = plan::FailureKind::kFetch;
  } else if (absl::IsCancelled(status)) {
    described.kind = plan::FailureKind::kKilled;
  } else if (absl::IsAborted(status) || absl::IsInvalidArgument(status)) {
    described.kind = plan::FailureKind::kUserCode;
    described.record = RecordInHand(spec, progress);
  } else if (spec.phase == plan::Phase::kMap && absl::IsDataLoss(status)) {
    described.kind = plan::FailureKind::kBadInput;
  } else if (spec.phase == plan::Phase::kMap &&
             (absl::IsNotFound(status) || absl::IsPermissionDenied(status) ||
              absl::IsOutOfRange(status))) {
    described.kind = plan::FailureKind::kInput;
  }
  return described;
}

}  // namespace trireme::mapreduce
