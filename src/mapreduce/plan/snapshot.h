#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mapreduce/plan/types.h"

/// The plan as status pages and reports see it: copies, taken when asked for.
namespace trireme::mapreduce::plan {

struct PhaseCounts {
  std::uint32_t total = 0;
  std::uint32_t waiting = 0;  ///< Unassigned, lost outputs that must be remade included.
  std::uint32_t running = 0;  ///< Tasks with at least one attempt running.
  std::uint32_t succeeded = 0;
  double progress = 0;  ///< Finished tasks plus the running ones' shares, over total.
};

struct JobSnapshot {
  JobId id{};
  JobSpec spec;
  JobState state = JobState::kMapping;
  std::optional<JobFailure> failure;
  PhaseCounts maps;
  PhaseCounts reduces;
  JobStats stats;
  std::uint32_t running_attempts = 0;
  TimeMs submitted_ms = 0;  ///< Of a restored job too, if its journal says when that was.
  TimeMs maps_done_ms = 0;  ///< 0: not yet.
  TimeMs ended_ms = 0;      ///< 0: not yet.
};

/// One bar of the timeline.
struct AttemptTrace {
  AttemptRef attempt;
  WorkerId worker{};
  TimeMs start_ms = 0;
  TimeMs end_ms = 0;  ///< 0 while it runs.
  AttemptKind kind = AttemptKind::kNormal;
  AttemptEnd end = AttemptEnd::kRunning;
  std::uint32_t number = 0;  ///< Attempts of the task before it.
};

struct WorkerSnapshot {
  WorkerRef worker;
  std::string host;
  bool alive = false;
  std::uint32_t slots = 0;
  std::uint32_t busy = 0;
  TimeMs last_heard_ms = 0;
  double speed = 1;  ///< Progress rate relative to the usual; 1 until measured.
};

}  // namespace trireme::mapreduce::plan
