#pragma once

#include <cstdint>

#include "mapreduce/plan/types.h"

namespace trireme::mapreduce::plan {

/// Every number the plan decides by. docs/mapreduce-plan.md has them as a table.
struct Limits {
  /// A worker not heard of for this long is lost. 0: workers never expire and heartbeats need not
  /// list attempts (the embedded runner). The coordinator's workers beat every tenth of it.
  TimeMs worker_lease_ms = 3'000;
  /// An attempt that its worker's heartbeats have not listed for this long is held for lost: its
  /// assignment never arrived. Counts from the assignment.
  TimeMs attempt_unlisted_ms = 1'500;
  /// Leases, timeouts and stragglers are looked at this often, however often Tick is called.
  TimeMs review_interval_ms = 100;

  /// Reports from this many distinct reduce attempts (or from all that run, if fewer) make a map
  /// output count as lost. One report of corruption is enough.
  std::uint32_t fetch_failures_max = 2;
  /// As do this many reports in all, repeated ones by one attempt included.
  std::uint32_t fetch_reports_max = 4;
  /// How often one map task is remade because its output could not be fetched before the job fails.
  std::uint32_t fetch_remakes_max = 8;
  /// How often one reduce task's attempts may give up over fetches before each counts as a failure.
  std::uint32_t fetch_give_ups_max = 8;

  /// A worker on which attempts of this many tasks of a job failed gets no more of that job.
  std::uint32_t worker_failures_max = 3;
  /// Unless more than this share of the workers would be barred so: then the job is to blame.
  double barred_workers_share = 0.34;
  /// Crashes of attempts at the same record that put it on the task's skip list.
  std::uint32_t bad_record_crashes = 2;
  /// Skipped records per task; a task with more is broken, and its failures count again.
  std::uint32_t skipped_records_max = 1'000;

  /// No backup for an attempt younger than this.
  TimeMs speculation_min_run_ms = 500;
  /// A straggler's progress rate is below this share of the usual rate (of finished tasks, or the
  /// running ones' average while none has finished).
  double speculation_slow_rate = 0.5;
  /// A backup is worth while when the time left exceeds the usual duration this many times.
  double speculation_gain = 1.0;
  /// Backups at one time: this share of all slots, but always as many as the next limit.
  double speculation_slots_share = 0.1;
  std::uint32_t speculation_always = 8;
  /// A worker slower than this share of the usual speed gets no backups, and no last tasks of a
  /// phase that the other workers will have finished before it would.
  double slow_worker_speed = 0.4;

  std::uint32_t tasks_max = 4'000'000;     ///< Map plus reduce tasks of one job.
  std::uint32_t jobs_max = 10'000;         ///< Jobs that have not ended.
  std::uint32_t ended_jobs_max = 100;      ///< Older ended jobs are forgotten.
  std::uint32_t workers_max = 100'000;     ///< Distinct worker ids.
  std::uint32_t worker_slots_max = 4'096;  ///< Slots of one worker; more are not used.
  std::uint32_t ended_history_max =
      1'000'000;  ///< Attempts of ended jobs kept; oldest jobs' go first.
  /// Attempts of which a checkpoint tells for the timeline alone, of all jobs; older ones are left
  /// out.
  std::uint32_t checkpoint_history_max = 20'000;
  std::uint32_t attempt_history_max = 2'000'000;  ///< Attempts per job kept for its report.
};

}  // namespace trireme::mapreduce::plan
