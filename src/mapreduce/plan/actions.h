#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "mapreduce/plan/journal.h"
#include "mapreduce/plan/types.h"

/// What the plan tells the shell to do.
namespace trireme::mapreduce::plan {

/// Run this attempt on this worker. May be lost on the way: when the worker's heartbeats do not
/// list the attempt, the plan gives it up by itself.
struct AssignAttempt {
  WorkerRef worker;
  AttemptRef attempt;
  std::uint32_t number = 0;  ///< Attempts of the task before this one.
  AttemptKind kind = AttemptKind::kNormal;
  std::vector<RecordPosition> skip;  ///< Records to pass over (section 4.6).
};

enum class CancelReason : std::uint8_t {
  kOtherWon,   ///< Another attempt finished first.
  kJobOver,    ///< The job failed or was cancelled.
  kTimeout,    ///< No progress for too long; counted as a failure already.
  kPreempted,  ///< A map task must be remade and every slot is held by waiting reduces.
  kNotWanted,  ///< The worker listed an attempt that the plan does not know.
};

/// Stop this attempt and drop its files. The worker then reports AttemptFailed kKilled, or ceases
/// to list it: only then is the slot free again.
struct CancelAttempt {
  WorkerRef worker;
  AttemptRef attempt;
  CancelReason reason = CancelReason::kOtherWon;
};

/// A map task that had finished before has a new output: tell the job's running reduces.
struct MapOutputMoved {
  JobId job{};
  std::uint32_t map = 0;
  MapOutput output;
};

/// The job entered this state. After Restore it is said once for every job, so that a shell that
/// died before acting on it (`_SUCCESS`, cleaning up) does so now; acting twice must be harmless.
struct JobStateChanged {
  JobId job{};
  JobState state = JobState::kMapping;
  std::optional<JobFailure> failure;  ///< kFailed: the one reason.
};

/// Nobody needs the job's intermediate data any more: every worker may delete it.
struct ReleaseJob {
  JobId job{};
};

using Action =
    std::variant<AssignAttempt, CancelAttempt, MapOutputMoved, JobStateChanged, ReleaseJob>;

/// Everything since the last TakeOutput, in order. First make `records` durable, then carry out
/// `actions` and answer the events they came from: a restarted plan must know what others know.
struct Output {
  std::vector<JournalRecord> records;
  std::vector<Action> actions;
  bool empty() const { return records.empty() && actions.empty(); }
};

const char* Name(CancelReason reason);

}  // namespace trireme::mapreduce::plan
