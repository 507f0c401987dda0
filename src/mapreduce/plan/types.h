#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// The vocabulary of the plan: names of jobs, workers, tasks and attempts, and what a job asks for.
/// Terms are those of Dean & Ghemawat, "MapReduce", OSDI '04 (section 3).
namespace trireme::mapreduce::plan {

/// Milliseconds on the caller's monotonic clock. Only differences mean anything.
using TimeMs = std::int64_t;

/// Chosen by the caller, unique for the life of the journal.
enum class JobId : std::uint64_t {};
/// Chosen by the worker and stable across its restarts (for instance derived from its address).
enum class WorkerId : std::uint64_t {};
/// One life of a worker's process and its intermediate data; a later life has a greater number.
enum class Incarnation : std::uint64_t {};
/// Unique over all jobs and all lives of the plan: the epoch in the upper 24 bits, then a sequence.
/// Of two attempts the later assigned has the greater id.
enum class AttemptId : std::uint64_t {};

inline constexpr int kEpochShift = 40;
constexpr AttemptId MakeAttemptId(std::uint32_t epoch, std::uint64_t sequence) {
  return AttemptId{(std::uint64_t{epoch} << kEpochShift) | sequence};
}
constexpr std::uint32_t EpochOf(AttemptId id) {
  return static_cast<std::uint32_t>(static_cast<std::uint64_t>(id) >> kEpochShift);
}

enum class Phase : std::uint8_t { kMap, kReduce };

/// A task: one split's map, or one partition's reduce.
struct TaskRef {
  JobId job{};
  Phase phase = Phase::kMap;
  std::uint32_t index = 0;
  friend auto operator<=>(const TaskRef&, const TaskRef&) = default;
};

/// One execution of a task.
struct AttemptRef {
  TaskRef task;
  AttemptId id{};
  friend auto operator<=>(const AttemptRef&, const AttemptRef&) = default;
};

/// One life of a worker.
struct WorkerRef {
  WorkerId id{};
  Incarnation incarnation{};
  friend auto operator<=>(const WorkerRef&, const WorkerRef&) = default;
};

enum class AttemptKind : std::uint8_t {
  kNormal,  ///< The task's first.
  kRetry,   ///< After a failed, killed or lost attempt, or to remake a lost map output.
  kBackup,  ///< Beside a running one that seems to be a straggler (section 3.6).
};

enum class AttemptEnd : std::uint8_t { kRunning, kSucceeded, kFailed, kKilled, kLostWorker };

/// Where a record starts: what a failure names and what a skip list holds (section 4.6).
struct RecordPosition {
  std::string file;
  std::uint64_t offset = 0;
  friend auto operator<=>(const RecordPosition&, const RecordPosition&) = default;
};

/// Where a finished map task's output lies; `attempt` names the file on the worker.
struct MapOutput {
  WorkerRef worker;
  AttemptId attempt{};
  std::uint64_t size_bytes = 0;
};

/// What a job asks of the plan. The plan does not look into `definition`.
struct JobSpec {
  std::string name;
  std::uint32_t maps = 0;     ///< 0: an empty input; the reduces still run and write empty parts.
  std::uint32_t reduces = 0;  ///< 0: map-only; the map attempts themselves commit the output.
  std::uint32_t max_attempts = 4;  ///< Failures of one task that fail the job.
  std::int32_t priority = 0;       ///< Greater goes first; equal ones share fairly.
  bool backup_tasks = true;
  bool skip_bad_records = false;
  bool durable_outputs = false;      ///< Map outputs outlive their worker: they are not on it.
  TimeMs task_timeout_ms = 600'000;  ///< Without progress this long an attempt fails; 0: never.
  std::string definition;            ///< Opaque to the plan; comes back from the journal.
};

enum class JobState : std::uint8_t { kMapping, kReducing, kSucceeded, kFailed, kCancelled };

constexpr bool HasEnded(JobState state) {
  return state >= JobState::kSucceeded;
}

/// Why a job failed: the task that failed too often and its last attempt's own words.
struct JobFailure {
  TaskRef task;
  AttemptId attempt{};
  WorkerRef worker;
  std::string message;                   ///< What happened, with file and offset when known.
  std::optional<RecordPosition> record;  ///< The one record at fault.
  std::string stderr_tail;
};

/// What a job took so far. Of a running job after a restart: what the journal tells of it.
struct JobStats {
  std::uint64_t attempts = 0;  ///< Assigned.
  std::uint64_t failures = 0;  ///< Attempts that failed and counted.
  std::uint64_t killed = 0;    ///< Cancelled, preempted or gone with their worker.
  std::uint64_t backups = 0;
  std::uint64_t backups_won = 0;
  std::uint64_t outputs_lost = 0;  ///< Finished maps made pending again.
  std::uint64_t skipped_records = 0;
  std::uint64_t map_output_bytes = 0;
  std::uint64_t output_bytes = 0;
};

const char* Name(Phase phase);
const char* Name(AttemptKind kind);
const char* Name(AttemptEnd end);
const char* Name(JobState state);

}  // namespace trireme::mapreduce::plan
