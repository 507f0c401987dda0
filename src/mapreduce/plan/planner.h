#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "mapreduce/plan/actions.h"
#include "mapreduce/plan/events.h"
#include "mapreduce/plan/journal.h"
#include "mapreduce/plan/limits.h"
#include "mapreduce/plan/snapshot.h"
#include "mapreduce/plan/types.h"

namespace trireme::mapreduce::plan {

/// The master's mind (Dean & Ghemawat, OSDI '04, sections 3.1 to 3.6 and 4.6) without its body:
/// which attempt runs where, who may commit, what must be done again. No thread, clock or I/O; the
/// same calls give the same output. Not thread-safe: one owner.
///
///   Outcome outcome = planner.Step(now, AttemptSucceeded{...});
///   Output output = planner.TakeOutput();
///   journal(output.records);        // durable before anything else happens
///   carry_out(output.actions);
///   answer(outcome);
///
/// The plan pushes: whenever a slot is free and a task waits, TakeOutput has an AssignAttempt. It
/// counts the slots itself. Call Tick about every Limits::review_interval_ms.
class Planner {
 public:
  /// An empty plan in its first epoch. The first output has its EpochStarted.
  explicit Planner(Limits limits = {});
  /// The plan that wrote `records` (in order), in its next epoch. Finished tasks stay finished if
  /// the workers that hold their outputs register again within worker_lease_ms of `now`.
  static Planner Restore(const std::vector<JournalRecord>& records, TimeMs now, Limits limits = {});

  Planner(Planner&&) noexcept;
  Planner& operator=(Planner&&) noexcept;
  ~Planner();

  /// Time never runs backwards: an earlier `now` is taken as the latest seen.
  [[nodiscard]] Outcome Step(TimeMs now, const Event& event);
  void Tick(TimeMs now);
  [[nodiscard]] Output TakeOutput();

  /// Where a finished map task's output lies now; nothing while it is (again) being made.
  /// Reduce attempts are told all of these at their start and each MapOutputMoved afterwards.
  std::optional<MapOutput> FindMapOutput(JobId job, std::uint32_t map) const;

  /// In order of submission, the ended ones that are still remembered included.
  std::vector<JobId> Jobs() const;
  std::optional<JobSnapshot> Snapshot(JobId job) const;
  /// Every attempt (up to attempt_history_max), by start time; of earlier lives those of which the
  /// journal tells.
  std::vector<AttemptTrace> Timeline(JobId job) const;
  /// In order of first registration.
  std::vector<WorkerSnapshot> Workers() const;

  /// Records that restore this plan's state: what a journal may be cut down to.
  std::vector<JournalRecord> Checkpoint() const;

  std::uint32_t epoch() const;
  const Limits& limits() const;
  /// Bytes held for all jobs' tasks, attempts and histories.
  std::size_t MemoryBytes() const;

 private:
  class State;
  explicit Planner(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace trireme::mapreduce::plan
