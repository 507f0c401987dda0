#include <algorithm>
#include <limits>

#include "base/check.h"
#include "mapreduce/plan/state.h"

namespace trireme::mapreduce::plan {

/// Some life of this plan has assigned this id; ids of the future are forged.
bool Planner::State::WasIssued(AttemptId id) const {
  return id < MakeAttemptId(epoch_, next_sequence_);
}

/// The task of this attempt, of which the plan does not think as running, can use its work: it is
/// no older than the last success (that one's duplicates come late too) and has not failed.
bool Planner::State::IsWanted(const Job& job, AttemptRef ref) const {
  if (!job.running() || !job.Has(ref.task) || !WasIssued(ref.id)) return false;
  if (ref.task.phase == Phase::kReduce && job.state == JobState::kMapping) return false;
  const Task& task = job.tasks(ref.task.phase)[ref.task.index];
  return task.state != TaskState::kSucceeded && ref.id > task.winner && !job.FailedBefore(ref);
}

std::uint32_t Planner::State::FindOn(std::uint32_t worker, AttemptRef ref) const {
  const std::uint32_t found = attempts_.Find(ref.id);
  if (found == kNone) return kNone;
  const RunningAttempt& attempt = attempts_[found];
  return attempt.worker == worker && attempt.ref == ref ? found : kNone;
}

/// The commit rule (section 3.3): of all attempts of a task at most one at a time holds the
/// permission to rename its output. It passes on only when its holder has failed or its worker's
/// lease has expired; a holder that then wakes up and renames too puts the same bytes of the same
/// deterministic task under the same name, so late renames are harmless.
Outcome Planner::State::Handle(const CommitRequested& event) {
  std::uint32_t worker = kNone;
  if (const Outcome outcome = FindAlive(event.worker, &worker); outcome != Outcome::kOk) {
    return outcome;
  }
  Job* job = FindJob(event.attempt.task.job);
  if (job == nullptr) return Outcome::kUnknownJob;
  if (!job->running()) return Outcome::kDiscard;
  if (!job->Has(event.attempt.task) || !job->Commits(event.attempt.task.phase)) {
    return Outcome::kInvalid;
  }
  const Task& task = job->task(event.attempt.task);
  const std::uint32_t place = FindOn(worker, event.attempt);
  if (place == kNone || !attempts_[place].attached) {
    return task.winner == event.attempt.id ? Outcome::kDuplicate : Outcome::kDiscard;
  }
  RunningAttempt& attempt = attempts_[place];
  attempt.changed_ms = now_;
  if (attempt.granted) return Outcome::kCommitGranted;
  const std::uint32_t other = task.primary == place ? task.backup : task.primary;
  if (other != kNone && attempts_[other].granted) return Outcome::kCommitWait;
  attempt.granted = true;
  output_.records.push_back(CommitGranted{event.attempt, event.worker, SpanOf(*job, attempt)});
  return Outcome::kCommitGranted;
}

Outcome Planner::State::Handle(const AttemptSucceeded& event) {
  std::uint32_t worker = kNone;
  if (const Outcome outcome = FindAlive(event.worker, &worker); outcome != Outcome::kOk) {
    return outcome;
  }
  const AttemptRef ref = event.attempt;
  const std::uint32_t place = FindOn(worker, ref);
  Job* job = FindJob(ref.task.job);
  if (job == nullptr || !job->running()) {
    if (place != kNone) End(place, AttemptEnd::kKilled);
    return job == nullptr ? Outcome::kUnknownJob : Outcome::kDiscard;
  }
  if (!job->Has(ref.task)) return Outcome::kInvalid;
  const Task& task = job->task(ref.task);
  if (task.winner == ref.id) return Outcome::kDuplicate;
  const bool attached = place != kNone && attempts_[place].attached;
  const bool commits = job->Commits(ref.task.phase);
  if (attached && commits && !attempts_[place].granted) return Outcome::kInvalid;
  if (!attached && (commits || !IsWanted(*job, ref))) {
    if (place != kNone) End(place, AttemptEnd::kKilled);
    return task.state == TaskState::kSucceeded ? Outcome::kDiscard : Outcome::kUnknownAttempt;
  }
  Succeed(*job, ref, place, worker, event.output_bytes);
  return Outcome::kOk;
}

/// `attempt` is kNone for a finished one that the plan had given up with its worker's lease.
void Planner::State::Succeed(Job& job, AttemptRef ref, std::uint32_t attempt, std::uint32_t worker,
                             std::uint64_t output_bytes) {
  const WorkerRef by = workers_[worker].ref;
  const bool commits = job.Commits(ref.task.phase);
  std::optional<AttemptSpan> span;
  if (attempt != kNone) {
    MeasureWinner(job, attempts_[attempt]);
    span = SpanOf(job, attempts_[attempt]);
  }
  RecordSuccess(job, ref, worker, output_bytes);
  if (commits) {
    job.stats.output_bytes += output_bytes;
    output_.records.push_back(TaskCommitted{ref, by, output_bytes, span});
  } else {
    job.stats.map_output_bytes += output_bytes;
    const MapOutput made{by, ref.id, output_bytes};
    output_.records.push_back(MapSucceeded{job.id, ref.task.index, made, span});
    if (job.state == JobState::kReducing) {
      output_.actions.push_back(MapOutputMoved{job.id, ref.task.index, made});
    }
  }
  if (attempt != kNone) End(attempt, AttemptEnd::kSucceeded);
  Task& task = job.task(ref.task);
  while (task.primary != kNone) {
    MeasureSpeed(job, attempts_[task.primary]);
    Cancel(task.primary, CancelReason::kOtherWon);
  }
}

void Planner::State::RecordSuccess(Job& job, AttemptRef ref, std::uint32_t worker,
                                   std::uint64_t output_bytes) {
  Task& task = job.task(ref.task);
  task.winner = ref.id;
  task.worker = worker;
  task.output_bytes = output_bytes;
  task.recoverable = false;
  job.tasks(ref.task.phase).SetState(ref.task.index, TaskState::kSucceeded);
  if (!job.Commits(ref.task.phase)) workers_[worker].outputs[job.id].push_back(ref.task.index);
  if (auto known = job.trouble.find({ref.task.phase, ref.task.index}); known != job.trouble.end()) {
    known->second.fetch_reporters.clear();
    known->second.fetch_reports = 0;
  }
  Touch(job);
}

void Planner::State::MeasureWinner(Job& job, const RunningAttempt& attempt) {
  RunningAttempt whole = attempt;
  whole.progress = 1;
  MeasureSpeed(job, whole);
  job.tasks(attempt.ref.task.phase).durations.Add(now_ - attempt.start_ms);
  if (attempt.kind == AttemptKind::kBackup) ++job.stats.backups_won;
}

std::uint32_t Planner::State::Start(Job* job, AttemptRef ref, std::uint32_t worker,
                                    const Origin& origin, bool attach) {
  RunningAttempt attempt;
  attempt.ref = ref;
  attempt.job = job;
  attempt.worker = worker;
  attempt.kind = origin.kind;
  attempt.number = origin.number;
  attempt.start_ms = origin.start_ms;
  attempt.changed_ms = attempt.listed_ms = now_;
  if (job != nullptr) {
    ++job->held;
    if (attach) attempt.history = OpenBar(*job, attempt);
  }
  const std::uint32_t place = attempts_.Add(attempt);
  workers_.AddAttempt(worker, place);
  if (attach) Attach(place);
  return place;
}

/// Its place in the timeline; kNone when that is full.
std::uint32_t Planner::State::OpenBar(Job& job, const RunningAttempt& attempt) {
  if (job.history.size() >= limits_.attempt_history_max) return kNone;
  if (const auto known = restored_bars_.find(attempt.ref.id); known != restored_bars_.end()) {
    if (known->second != kNone) job.history[known->second].end = AttemptEnd::kRunning;
    return known->second;
  }
  job.history.push_back(
      MakeBar(attempt.ref, attempt.worker, SpanOf(job, attempt), AttemptEnd::kRunning));
  return static_cast<std::uint32_t>(job.history.size() - 1);
}

/// Till now.
AttemptSpan Planner::State::SpanOf(const Job& job, const RunningAttempt& attempt) const {
  return {std::max<TimeMs>(attempt.start_ms - job.submitted_ms, 0),
          std::max<TimeMs>(now_ - attempt.start_ms, 0), attempt.number, attempt.kind};
}

AttemptOver Planner::State::OverOf(const RunningAttempt& attempt, AttemptEnd end) const {
  return {attempt.ref, workers_[attempt.worker].ref, end, SpanOf(*attempt.job, attempt)};
}

void Planner::State::Attach(std::uint32_t place) {
  RunningAttempt& attempt = attempts_[place];
  Job& job = *attempt.job;
  Task& task = job.task(attempt.ref.task);
  TRIREME_CHECK(task.backup == kNone);
  (task.primary == kNone ? task.primary : task.backup) = place;
  job.tasks(attempt.ref.task.phase).SetState(attempt.ref.task.index, TaskState::kRunning);
  attempt.attached = true;
  attempt.fast = !workers_.IsSlow(attempt.worker);
  ++job.attached;
  job.fast += attempt.fast;
  job.running_reduces += attempt.ref.task.phase == Phase::kReduce;
  task.CountNumber(attempt.number);
  if (attempt.kind == AttemptKind::kBackup) ++backups_running_;
  job.CountAttempt(attempt.kind);
  Touch(job);
}

/// The attempt is its task's no more. A task that has no other and is not finished waits again.
void Planner::State::Detach(std::uint32_t place) {
  RunningAttempt& attempt = attempts_[place];
  Job& job = *attempt.job;
  const TaskRef ref = attempt.ref.task;
  Task& task = job.task(ref);
  if (task.primary == place) task.primary = task.backup;
  task.backup = kNone;
  attempt.attached = false;
  attempt.granted = false;
  --job.attached;
  job.fast -= attempt.fast;
  job.running_reduces -= ref.phase == Phase::kReduce;
  if (attempt.kind == AttemptKind::kBackup) --backups_running_;
  if (task.primary == kNone && task.state == TaskState::kRunning) {
    job.tasks(ref.phase).WaitAgain(ref.index);
  }
  UpdateFetched(job, ref);
  Touch(job);
}

void Planner::State::CloseBar(RunningAttempt& attempt, AttemptEnd end) {
  if (attempt.history == kNone) return;
  const bool killed = end == AttemptEnd::kKilled || end == AttemptEnd::kLostWorker;
  attempt.job->stats.killed += killed;
  if (killed) output_.records.push_back(OverOf(attempt, end));
  if (attempt.history < attempt.job->history.size()) {
    HistoryEntry& bar = attempt.job->history[attempt.history];
    bar.length_ms = static_cast<std::uint32_t>(now_ - attempt.start_ms);
    bar.end = end;
  }
  attempt.history = kNone;
}

/// The attempt is over and its slot free.
void Planner::State::End(std::uint32_t place, AttemptEnd end) {
  RunningAttempt& attempt = attempts_[place];
  if (Job* job = attempt.job; job != nullptr) {
    CloseBar(attempt, end);
    if (attempt.attached) Detach(place);
    --job->held;
    job->preempting -= attempt.preempted;
    Touch(*job);
  }
  workers_.RemoveAttempt(attempt.worker, place);
  attempts_.Remove(place);
}

/// The attempt is its task's no more; its slot is free when its worker says that it has stopped.
void Planner::State::Cancel(std::uint32_t place, CancelReason reason) {
  RunningAttempt& attempt = attempts_[place];
  CloseBar(attempt, AttemptEnd::kKilled);
  Detach(place);
  output_.actions.push_back(CancelAttempt{workers_[attempt.worker].ref, attempt.ref, reason});
}

void Planner::State::UpdateFetched(Job& job, TaskRef ref) {
  if (ref.phase != Phase::kReduce) return;
  Task& task = job.task(ref);
  const bool fetched = task.state == TaskState::kRunning &&
                       ((task.primary != kNone && attempts_[task.primary].fetched) ||
                        (task.backup != kNone && attempts_[task.backup].fetched));
  job.fetched += fetched;
  job.fetched -= task.fetched;
  task.fetched = fetched;
  Touch(job);
}

/// Whether it is made again is decided when the job settles: only if a reduce still needs it.
void Planner::State::LoseOutput(Job& job, std::uint32_t map, bool recoverable) {
  job.maps().SetState(map, TaskState::kLost);
  job.maps()[map].recoverable = recoverable;
  job.lost.push_back(map);
  Touch(job);
}

}  // namespace trireme::mapreduce::plan
