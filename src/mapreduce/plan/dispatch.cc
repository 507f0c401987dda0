#include <algorithm>

#include "mapreduce/plan/state.h"

namespace trireme::mapreduce::plan {

/// Fills free slots while something waits. Usually the first free worker takes a task of the first
/// job: one decision costs a few operations on ordered sets, O(log workers + log jobs).
void Planner::State::Dispatch() {
  while (!ready_.empty() && !workers_.free().empty() && AssignOne()) {
  }
}

bool Planner::State::AssignOne() {
  for (const auto& [slow, busy, worker] : workers_.free()) {
    for (const auto& [key, job] : ready_) {
      if (TryAssign(*job, worker)) return true;
    }
  }
  return false;
}

bool Planner::State::TryAssign(Job& job, std::uint32_t worker) {
  if (IsBlacklisted(job, worker)) return false;
  const Phase phase = *job.Assignable();
  PhaseTasks& tasks = job.tasks(phase);
  std::uint32_t index = tasks.TakeRetry([&](std::uint32_t i) {
    return Accepts(job, {job.id, phase, i}, worker);
  });
  if (index == kNone && tasks.HasFresh() && !LeaveToOthers(job, phase, worker)) {
    index = tasks.TakeFresh();
  }
  if (index == kNone) return false;
  const bool first = tasks[index].attempts == 0;
  if (phase == Phase::kMap) job.reserved = false;
  Assign(job, {job.id, phase, index}, worker, first ? AttemptKind::kNormal : AttemptKind::kRetry);
  return true;
}

void Planner::State::Assign(Job& job, TaskRef ref, std::uint32_t worker, AttemptKind kind) {
  const Task& task = job.task(ref);
  const AttemptRef attempt{ref, MakeAttemptId(epoch_, next_sequence_++)};
  const std::uint32_t number = task.attempts;
  Start(&job, attempt, worker, {kind, number, now_}, /*attach=*/true);
  AssignAttempt action{workers_[worker].ref, attempt, number, kind};
  if (const Trouble* trouble = job.FindTrouble(ref)) action.skip = trouble->skip;
  output_.actions.push_back(std::move(action));
  Refresh(job);
}

std::uint32_t Planner::State::BarredWorkers(const Job& job) const {
  const auto barred = std::count_if(job.blacklist.begin(), job.blacklist.end(),
                                    [&](std::uint32_t w) { return workers_.IsUsable(w); });
  return barred <= limits_.barred_workers_share * workers_.usable()
             ? static_cast<std::uint32_t>(barred)
             : 0;
}

/// A worker that failed too many of the job's tasks. Where tasks fail on many workers it is not
/// the workers: nobody is barred then, and there is always somebody left.
bool Planner::State::IsBlacklisted(const Job& job, std::uint32_t worker) const {
  return job.blacklist.count(worker) != 0 && BarredWorkers(job) > 0;
}

bool Planner::State::IsEligible(const Job& job, std::uint32_t worker) const {
  return workers_.IsUsable(worker) && !IsBlacklisted(job, worker);
}

/// A task does not go back to a worker on which it went wrong while there is another: four quick
/// failures on one bad machine must not fail the job.
bool Planner::State::Accepts(const Job& job, TaskRef ref, std::uint32_t worker) const {
  const Trouble* trouble = job.FindTrouble(ref);
  if (trouble == nullptr) return true;
  const auto& avoid = trouble->avoid;
  if (std::find(avoid.begin(), avoid.end(), worker) == avoid.end()) return true;
  const auto avoided = std::count_if(avoid.begin(), avoid.end(),
                                     [&](std::uint32_t w) { return IsEligible(job, w); });
  return avoided >= workers_.usable() - BarredWorkers(job);
}

/// The last fresh tasks of a phase are better left to the job's other slots when a worker known as
/// slow would finish them later than those: it needs `slowness` times the usual time; they need
/// theirs for what they run, and then for their share of what waits. The slots counted hold
/// attempts of this job, so each of them ends with another look at what waits.
bool Planner::State::LeaveToOthers(const Job& job, Phase phase, std::uint32_t worker) const {
  if (!workers_.IsSlow(worker) || job.fast == 0) return false;
  const std::uint32_t waiting = job.tasks(phase).count(TaskState::kWaiting);
  const std::uint32_t rounds = (waiting + job.fast - 1) / job.fast + 1;
  return rounds <= workers_[worker].slowness;
}

/// Reduces that wait for a map output to be made again may hold every slot on which it could be.
/// One of them then makes room, at most one at a time for each job; what it fetched is lost.
void Planner::State::PreemptForRemakes() {
  std::vector<Job*> stuck;
  for (const auto& [key, job] : ready_) {
    if (job->Assignable() == Phase::kMap && job->running_reduces > 0 && job->preempting == 0) {
      stuck.push_back(job);
    }
  }
  for (Job* job : stuck) {
    if (const std::uint32_t map = job->maps().Peek(); map != kNone) PreemptOne(*job, map);
  }
}

void Planner::State::PreemptOne(Job& job, std::uint32_t map) {
  const TaskRef ref{job.id, Phase::kMap, map};
  std::uint32_t victim = kNone;
  attempts_.ForEach([&](std::uint32_t place, const RunningAttempt& attempt) {
    if (attempt.job != &job || !attempt.attached || attempt.granted || attempt.fetched) return;
    if (attempt.ref.task.phase != Phase::kReduce || !IsEligible(job, attempt.worker)) return;
    if (!Accepts(job, ref, attempt.worker)) return;
    if (victim == kNone || attempt.progress < attempts_[victim].progress) victim = place;
  });
  if (victim == kNone) return;
  attempts_[victim].preempted = true;
  ++job.preempting;
  job.reserved = true;
  Cancel(victim, CancelReason::kPreempted);
}

}  // namespace trireme::mapreduce::plan
