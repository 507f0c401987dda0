#pragma once

#include <trireme/mapreduce.h>

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "io/file_system.h"
#include "mapreduce/engine/collector.h"
#include "mapreduce/engine/context.h"
#include "mapreduce/engine/input.h"
#include "mapreduce/engine/run_file.h"

/// One attempt of one task, start to end, on the calling thread. Whoever runs it (a thread of the
/// process, a process of its own, a worker) does the same calls, so the output is the same.
namespace trireme::mapreduce {

/// What all tasks of a job share beside the user's code.
struct JobSettings {
  std::string name;
  Parameters parameters;
  InputFormat input_format;
  std::uint32_t reduces = 1;     ///< 0: map-only
  bool compress_output = false;  ///< zstd
  io::Durability durability = io::Durability::kPowerLoss;
};

/// A record's place: index of the Split's range and offset in its file.
struct RecordPlace {
  std::uint32_t range = 0;
  std::uint64_t offset = 0;
  auto operator<=>(const RecordPlace&) const = default;
};

/// What a slot lends to the attempts it runs, one after the other.
struct TaskEnvironment {
  io::FileSystem* files = nullptr;    ///< input and output
  std::size_t memory_bytes = 0;       ///< budget of one attempt, for collecting or merging
  std::string scratch_directory;      ///< exists; for temporary files of this attempt only
  CollectorMemory* memory = nullptr;  ///< kept from attempt to attempt
  /// Files that the attempt may have open at one time; a merge takes at least kMergeFilesMin.
  std::size_t files_max = std::numeric_limits<std::size_t>::max();
};

struct MapTask {
  std::uint32_t index = 0;
  std::uint32_t attempt = 0;
  Split split;
  std::vector<RecordPlace> skip;  ///< sorted; records to pass over (--skip-bad-records)
  std::string output_path;        ///< intermediate file, or the part file of a map-only job
};

struct ReduceTask {
  std::uint32_t index = 0;
  std::uint32_t attempt = 0;
  std::uint32_t maps = 0;
  std::string output_path;
  /// Gives the blocks of `map`'s output for this task's partition, a source per run, in order.
  /// Called once for each map in ascending order, perhaps for some of them only after others
  /// have been read. Blocks until they are there.
  std::function<absl::StatusOr<std::vector<std::unique_ptr<BlockSource>>>(std::uint32_t map)> open;
};

struct TaskResult {
  /// Of a map whose MapBlock took lines by the block: how many they were nobody has counted.
  static constexpr std::uint64_t kNotCounted = std::numeric_limits<std::uint64_t>::max();

  Counters counters;
  std::uint64_t input_bytes = 0;    ///< reduce: of the map outputs
  std::uint64_t input_records = 0;  ///< or kNotCounted
  std::uint64_t input_groups = 0;   ///< reduce: distinct keys
  std::uint64_t output_bytes = 0, output_records = 0;
  std::uint64_t spilled_records = 0;  ///< map: after combining
  std::uint32_t spills = 0;
};

/// Why an attempt failed, beyond its status.
struct TaskFailure {
  static constexpr std::uint32_t kNoMap = 0xffffffff;
  std::uint32_t lost_map = kNoMap;  ///< reduce: the map output that was bad
};

/// Runs a map attempt. On OK its intermediate file is at output_path. For a map-only job the part
/// file is written but not committed: *part is to be committed or dropped by the caller.
/// Statuses: CANCELLED when control said so; ABORTED for what user code said or threw; otherwise of
/// the file system.
[[nodiscard]] absl::StatusOr<TaskResult> RunMapTask(const Job& job, const JobSettings& settings,
                                                    const MapTask& task,
                                                    const TaskEnvironment& environment,
                                                    TaskControl* control,
                                                    std::unique_ptr<io::FileWriter>* part);

/// Runs a reduce attempt. On OK the part file is written, and *part to be committed or dropped.
[[nodiscard]] absl::StatusOr<TaskResult> RunReduceTask(const Job& job, const JobSettings& settings,
                                                       const ReduceTask& task,
                                                       const TaskEnvironment& environment,
                                                       TaskControl* control,
                                                       std::unique_ptr<io::FileWriter>* part,
                                                       TaskFailure* failure);

/// The name of a part file: part-m-00000 or part-r-00000, with the compression's ending.
std::string PartName(bool map_only, std::uint32_t index, bool compressed);

}  // namespace trireme::mapreduce
