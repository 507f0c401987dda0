#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mapreduce/plan/types.h"

/// What must outlive the plan, as plain structs; their encoding is the shell's. Replaying a record
/// twice in a row, or a whole journal after its own checkpoint, changes nothing.
namespace trireme::mapreduce::plan {

/// A new life of the plan. Attempt ids of this life start with `epoch`, so none is ever reused.
struct EpochStarted {
  std::uint32_t epoch = 0;
};

struct JobAdmitted {
  JobId job{};
  JobSpec spec;
};

struct MapSucceeded {
  JobId job{};
  std::uint32_t map = 0;
  MapOutput output;
};

/// The attempt may rename its output. Until it fails or its worker is lost, no other may.
struct CommitGranted {
  AttemptRef attempt;
  WorkerRef worker;
};

/// The task's output lies under its final name.
struct TaskCommitted {
  AttemptRef attempt;
  WorkerRef worker;
  std::uint64_t output_bytes = 0;
};

/// An attempt failed and it counts against the task.
struct FailureCounted {
  AttemptRef attempt;
  WorkerRef worker;
  std::optional<RecordPosition> record;  ///< The one record it was at.
};

/// The record is on the task's skip list; failures at it no longer count.
struct RecordSkipped {
  TaskRef task;
  RecordPosition record;
};

struct JobEnded {
  JobId job{};
  JobState state = JobState::kSucceeded;
  std::optional<JobFailure> failure;
  JobStats stats;
};

/// The job is not even listed any more.
struct JobForgotten {
  JobId job{};
};

using JournalRecord =
    std::variant<EpochStarted, JobAdmitted, MapSucceeded, CommitGranted, TaskCommitted,
                 FailureCounted, RecordSkipped, JobEnded, JobForgotten>;

}  // namespace trireme::mapreduce::plan
