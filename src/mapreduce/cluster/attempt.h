#pragma once

#include <trireme/mapreduce.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mapreduce/engine/input.h"
#include "mapreduce/engine/run_file.h"
#include "mapreduce/engine/task.h"
#include "mapreduce/jobs/streaming.h"
#include "mapreduce/plan/events.h"
#include "mapreduce/plan/types.h"

/// What a slot is told to run and what it says when it is done.
namespace trireme::mapreduce {

/// A job that the product brings along, by name; its options are the job's parameters.
struct ReadyCode {
  std::string name;
};
/// A shared object made with TRIREME_MAPREDUCE_PLUGIN.
struct PluginCode {
  std::string path;
};
/// A program that calls mapreduce::Main.
struct BinaryCode {
  std::string path;
};
using StreamingCode = StreamingCommands;
/// Where the user's code is.
using JobCode = std::variant<ReadyCode, PluginCode, BinaryCode, StreamingCode>;

enum class Isolation : std::uint8_t {
  kProcess,  ///< a slot is a process; nothing user code does hurts anything but its attempt
  kThread,   ///< a slot is a thread; for trusted code, and for code in processes of its own
};
/// Ready jobs are trusted and commands run in processes anyway: thread; otherwise process.
Isolation DefaultIsolation(const JobCode& code);

/// What all attempts of a job have in common.
struct JobSetup {
  std::uint64_t id = 0;
  JobCode code;
  JobSettings settings;
  Isolation isolation = Isolation::kProcess;
  /// Relative input paths start here; empty: where the process is.
  std::string working_directory;
  /// Where map outputs go, in the object store; empty: they stay where they are made.
  std::string intermediate;
};

/// The name of a map output that went to the store.
std::string StoredMapOutput(const JobSetup& job, std::uint32_t map, std::uint64_t attempt);

/// Where a reduce finds one map's output: a whole intermediate file of this machine, or a file that
/// holds only this reduce's partition as the given segments (one for each run, in order).
struct MapInput {
  std::string path;
  std::optional<std::vector<Segment>> segments;
};

struct AttemptSpec {
  std::uint64_t id = 0;  ///< unique in its pool
  std::shared_ptr<const JobSetup> job;
  plan::Phase phase = plan::Phase::kMap;
  std::uint32_t index = 0;
  std::uint32_t number = 0;  ///< attempts of the task before this one
  Split split;               ///< map
  std::vector<plan::RecordPosition> skip;
  std::uint32_t maps = 0;   ///< reduce
  std::string output_path;  ///< the intermediate file, or the part file
};

/// Why an attempt failed.
struct AttemptFailure {
  plan::FailureKind kind = plan::FailureKind::kInternal;
  std::string message;
  std::string stderr_tail;
  std::optional<plan::RecordPosition> record;    ///< that user code had in hand
  std::uint32_t lost_map = TaskFailure::kNoMap;  ///< kFetch: whose output was bad
};

/// Bytes kept of the end of an attempt's standard error.
inline constexpr std::size_t kStderrTailBytes = 8 << 10;

/// Forms that travel between processes and lie in journals. Decoding hostile bytes fails cleanly.
std::string Encode(const JobSetup& setup);
[[nodiscard]] bool Decode(std::string_view bytes, JobSetup* setup);
/// Without the job.
std::string Encode(const AttemptSpec& spec);
[[nodiscard]] bool Decode(std::string_view bytes, AttemptSpec* spec);
std::string Encode(const MapInput& input);
[[nodiscard]] bool Decode(std::string_view bytes, MapInput* input);
std::string Encode(const TaskResult& result);
[[nodiscard]] bool Decode(std::string_view bytes, TaskResult* result);

}  // namespace trireme::mapreduce
