#pragma once

#include "mapreduce/engine/task.h"
#include "mapreduce/plan/snapshot.h"

namespace trireme::mapreduce {

/// The group of the counters that the engine keeps by itself.
inline constexpr char kEngineCounters[] = "mapreduce";

/// Adds one successful attempt: its user's counters and the engine's.
void CountTask(plan::Phase phase, bool map_only, const TaskResult& result, Counters& to);
/// Adds what is counted once for the job: attempts by their fate, skipped records.
void CountJob(const plan::JobSnapshot& job, Counters& to);

}  // namespace trireme::mapreduce
