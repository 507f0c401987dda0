#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "mapreduce/plan/attempts.h"
#include "mapreduce/plan/durations.h"
#include "mapreduce/plan/journal.h"
#include "mapreduce/plan/snapshot.h"
#include "mapreduce/plan/types.h"

namespace trireme::mapreduce::plan {

enum class TaskState : std::uint8_t {
  kWaiting,    ///< For a slot.
  kRunning,    ///< Has a primary attempt.
  kSucceeded,  ///< Its output is there.
  kLost,       ///< A map task that had succeeded; its output is gone and nobody needs it now.
};
inline constexpr std::size_t kTaskStates = 4;

/// Attempts of one task beyond this share this number.
inline constexpr std::uint32_t kAttemptNumberMax = UINT16_MAX;

/// One task. There are hundreds of thousands: what only troubled tasks need is in Trouble.
struct Task {
  AttemptId winner{};  ///< Its last attempt that succeeded; no older one is believed any more.
  std::uint64_t output_bytes = 0;
  std::uint32_t worker = kNone;   ///< Place of the winner's worker.
  std::uint32_t primary = kNone;  ///< Place of its attempt while kRunning.
  std::uint32_t backup = kNone;   ///< Place of a second one.
  std::uint16_t attempts = 0;     ///< One more than the greatest number of one; at most 65535.
  TaskState state = TaskState::kWaiting;
  bool queued : 1 = false;       ///< In its phase's retry queue.
  bool recoverable : 1 = false;  ///< Output lost with its worker's lease: may come back with it.
  bool fetched : 1 = false;      ///< Reduce: one of its attempts needs no map output any more.

  /// The next life may have its output: it is there, or may come back with its worker.
  bool IsKept() const { return state == TaskState::kSucceeded || recoverable; }
  /// There is, or was, an attempt of this number.
  void CountNumber(std::uint32_t number) {
    const std::uint32_t next = std::min(number, kAttemptNumberMax - 1) + 1;
    attempts = std::max(attempts, static_cast<std::uint16_t>(next));
  }
};
static_assert(sizeof(Task) == 32);

/// The tasks of one phase and which of them wait.
class PhaseTasks {
 public:
  void Reset(std::uint32_t total);
  /// Counts every task as succeeded; the job is about to be closed.
  void FinishAll();
  /// Gives the tasks' memory back when the job has ended; the counts stay.
  void Release();

  std::uint32_t total() const { return total_; }
  std::uint32_t count(TaskState state) const { return counts_[static_cast<std::size_t>(state)]; }
  bool AllSucceeded() const { return count(TaskState::kSucceeded) == total_; }

  Task& operator[](std::uint32_t index) { return tasks_[index]; }
  const Task& operator[](std::uint32_t index) const { return tasks_[index]; }

  void SetState(std::uint32_t index, TaskState state);
  /// kWaiting, and ahead of the tasks never tried: a failing job should fail early.
  void WaitAgain(std::uint32_t index);

  /// Takes a waiting task for which accepts(index) holds, those tried before first; kNone if there
  /// is none among the first kScanMax. The caller must then set another state.
  template <typename Accepts>
  std::uint32_t TakeRetry(Accepts accepts);
  /// Takes the first task never tried; kNone if there is none.
  std::uint32_t TakeFresh();
  bool HasFresh();
  /// The waiting task that is next in line; kNone if none waits.
  std::uint32_t Peek();

  Durations durations;

  std::size_t MemoryBytes() const;

 private:
  static constexpr std::size_t kScanMax = 16;

  // Entries whose task does not wait any more are stale; they go when they come to the front.
  void DropStale();

  std::vector<Task> tasks_;
  std::deque<std::uint32_t> retry_;
  std::uint32_t fresh_ = 0;  // tasks before it have been tried or are queued
  std::uint32_t total_ = 0;
  std::array<std::uint32_t, kTaskStates> counts_{};
};

/// What is remembered of a task with which something went wrong.
struct Trouble {
  struct Failure {
    AttemptId attempt{};
    std::uint32_t worker = kNone;
    std::optional<RecordPosition> record;
  };
  std::vector<Failure> failures;           ///< Those that count.
  std::vector<std::uint32_t> avoid;        ///< Workers not to try again while there are others.
  std::vector<RecordPosition> skip;        ///< Section 4.6.
  std::vector<AttemptId> fetch_reporters;  ///< Map: who could not fetch the present output.
  std::uint32_t fetch_reports = 0;
  std::uint32_t remakes = 0;   ///< Map: made again because nobody could fetch it.
  std::uint32_t give_ups = 0;  ///< Reduce: attempts that failed over fetches and did not count.
};

/// One bar of the timeline, compact.
struct HistoryEntry {
  AttemptId id{};
  std::uint32_t task = 0;
  std::uint32_t worker = kNone;
  std::uint32_t start_ms = 0;  ///< Since the job's submission.
  std::uint32_t length_ms = 0;
  Phase phase = Phase::kMap;
  AttemptKind kind = AttemptKind::kNormal;
  AttemptEnd end = AttemptEnd::kRunning;
  std::uint16_t number = 0;  ///< Stays at its maximum.
};
static_assert(sizeof(HistoryEntry) == 32);
HistoryEntry MakeBar(AttemptRef ref, std::uint32_t worker, const AttemptSpan& span, AttemptEnd end);
AttemptSpan SpanOfBar(const HistoryEntry& bar);

/// A job's whole state. The planner moves it; the job keeps its own counts straight.
class Job {
 public:
  Job(JobId id, std::uint64_t order, JobSpec spec, TimeMs now);

  PhaseTasks& tasks(Phase phase) { return phases_[static_cast<std::size_t>(phase)]; }
  const PhaseTasks& tasks(Phase phase) const { return phases_[static_cast<std::size_t>(phase)]; }
  PhaseTasks& maps() { return tasks(Phase::kMap); }
  const PhaseTasks& maps() const { return tasks(Phase::kMap); }
  PhaseTasks& reduces() { return tasks(Phase::kReduce); }
  const PhaseTasks& reduces() const { return tasks(Phase::kReduce); }

  bool Has(TaskRef task) const;
  Task& task(TaskRef ref) { return tasks(ref.phase)[ref.index]; }

  bool running() const { return !HasEnded(state); }
  /// Attempts of this phase write the job's output and need the permission to commit.
  bool Commits(Phase phase) const { return phase == Phase::kReduce || spec.reduces == 0; }
  /// Some reduce that has not finished still has to fetch map outputs.
  bool NeedsMapOutputs() const;
  /// The phase of which a waiting task may be assigned. Reduces start when every map has an
  /// output, and not while one is being made again.
  std::optional<Phase> Assignable() const;

  /// Nullptr if the task never had any.
  const Trouble* FindTrouble(TaskRef ref) const;
  Trouble& TroubleOf(TaskRef ref) { return trouble[{ref.phase, ref.index}]; }
  bool FailedBefore(AttemptRef ref) const;
  void CountAttempt(AttemptKind kind);

  std::size_t MemoryBytes() const;

  const JobId id;
  const std::uint64_t order;  ///< Of submission.
  const JobSpec spec;
  JobState state = JobState::kMapping;
  std::optional<JobFailure> failure;
  JobStats stats;
  TimeMs submitted_ms = 0;
  TimeMs maps_done_ms = 0;
  TimeMs ended_ms = 0;

  std::uint32_t held = 0;             ///< Slots its attempts hold, cancelled ones included.
  std::uint32_t attached = 0;         ///< Attempts that are some task's primary or backup.
  std::uint32_t fast = 0;             ///< Attached attempts on workers not known as slow.
  std::uint32_t fetched = 0;          ///< Running reduces with Task::fetched.
  std::uint32_t preempting = 0;       ///< Slots on their way from a reduce to a map to be remade.
  std::uint32_t running_reduces = 0;  ///< Attached reduce attempts.
  bool reserved = false;              ///< The next free slot is its: it was preempted for it.
  bool touched = false;               ///< Waits to be settled.

  std::vector<std::uint32_t> lost;  ///< Map tasks that are kLost, or were.
  std::map<std::pair<Phase, std::uint32_t>, Trouble> trouble;
  std::map<std::uint32_t, std::set<std::pair<Phase, std::uint32_t>>> failed_on;  ///< By worker.
  std::set<std::uint32_t> blacklist;                                             ///< Workers.
  std::deque<HistoryEntry> history;

  /// Its key in the planner's set of jobs with assignable tasks.
  using OrderKey = std::tuple<bool, std::int64_t, std::uint32_t, std::uint64_t>;
  OrderKey Key() const { return {!reserved, -std::int64_t{spec.priority}, held, order}; }
  std::optional<OrderKey> ready_key;

 private:
  std::array<PhaseTasks, 2> phases_;
};

inline AttemptRef RefOf(const Job& job, const HistoryEntry& bar) {
  return {{job.id, bar.phase, bar.task}, bar.id};
}

template <typename Accepts>
std::uint32_t PhaseTasks::TakeRetry(Accepts accepts) {
  DropStale();
  for (std::size_t i = 0; i < retry_.size() && i < kScanMax; ++i) {
    const std::uint32_t index = retry_[i];
    if (tasks_[index].state != TaskState::kWaiting || !accepts(index)) continue;
    retry_.erase(retry_.begin() + static_cast<std::ptrdiff_t>(i));
    tasks_[index].queued = false;
    return index;
  }
  return kNone;
}

}  // namespace trireme::mapreduce::plan
