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

/// When an attempt ran and which of its task's it was, for timelines and numbers that go on.
struct AttemptSpan {
  TimeMs start_ms = 0;  ///< Since the job's submission.
  TimeMs length_ms = 0;
  std::uint32_t number = 0;  ///< Attempts of the task before it.
  AttemptKind kind = AttemptKind::kNormal;
};

struct JobAdmitted {
  JobId job{};
  JobSpec spec;
  std::optional<TimeMs> submitted_ms;  ///< Absent: before there was this field, as of all spans.
};

struct MapSucceeded {
  JobId job{};
  std::uint32_t map = 0;
  MapOutput output;
  std::optional<AttemptSpan> span;
};

/// The attempt may rename its output. Until it fails or its worker is lost, no other may.
struct CommitGranted {
  AttemptRef attempt;
  WorkerRef worker;
  std::optional<AttemptSpan> span;  ///< It still runs: without a length.
};

/// The task's output lies under its final name.
struct TaskCommitted {
  AttemptRef attempt;
  WorkerRef worker;
  std::uint64_t output_bytes = 0;
  std::optional<AttemptSpan> span;
};

/// An attempt failed and it counts against the task.
struct FailureCounted {
  AttemptRef attempt;
  WorkerRef worker;
  std::optional<RecordPosition> record;  ///< The one record it was at.
  std::optional<AttemptSpan> span;
};

/// An attempt is over of which no other record says so: killed, lost, or of no account any more.
struct AttemptOver {
  AttemptRef attempt;
  WorkerRef worker;
  AttemptEnd end = AttemptEnd::kKilled;
  AttemptSpan span;
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
  TimeMs maps_done_ms = 0;  ///< Since its submission; 0: they were not.
  TimeMs ended_ms = 0;      ///< Since its submission; 0: before there was this field.
};

/// The job is not even listed any more.
struct JobForgotten {
  JobId job{};
};

using JournalRecord =
    std::variant<EpochStarted, JobAdmitted, MapSucceeded, CommitGranted, TaskCommitted,
                 FailureCounted, RecordSkipped, JobEnded, JobForgotten, AttemptOver>;

}  // namespace trireme::mapreduce::plan
