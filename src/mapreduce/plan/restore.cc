#include <algorithm>

#include "absl/strings/str_cat.h"
#include "mapreduce/plan/state.h"

namespace trireme::mapreduce::plan {

/// The state as the records tell it, then a new epoch. Workers named by the records are expected:
/// they have a lease's time to register with the same incarnation, and keep their outputs if so.
void Planner::State::Replay(const std::vector<JournalRecord>& records, TimeMs now) {
  Advance(now);
  for (const JournalRecord& record : records) {
    std::visit([this](const auto& r) { Apply(r); }, record);
  }
  if (!records.empty()) ++epoch_;
  output_ = {};
  output_.records.push_back(EpochStarted{epoch_});
  for (const JobId id : Jobs()) FailIfExhausted(*FindJob(id));
  SettleTouched();
  output_.actions.clear();
  for (const JobId id : Jobs()) {
    const Job& job = *FindJob(id);
    output_.actions.push_back(JobStateChanged{id, job.state, job.failure});
    if (!job.running()) output_.actions.push_back(ReleaseJob{id});
  }
}

std::uint32_t Planner::State::ExpectWorker(WorkerRef ref) {
  std::uint32_t place = workers_.Find(ref.id);
  if (place == kNone) place = workers_.Add(ref);
  if (ref.incarnation > workers_[place].ref.incarnation) StartNewLife(place, ref);
  workers_[place].heard_ms = now_;
  workers_.SetState(place, WorkerState::kExpected);
  return place;
}

void Planner::State::EndIfRunning(AttemptId id, AttemptEnd end) {
  if (const std::uint32_t place = attempts_.Find(id); place != kNone) End(place, end);
}

void Planner::State::Apply(const EpochStarted& record) {
  epoch_ = std::max(epoch_, record.epoch);
}

void Planner::State::Apply(const JobAdmitted& record) {
  if (FindJob(record.job) == nullptr) AddJob(record.job, record.spec);
}

void Planner::State::Apply(const MapSucceeded& record) {
  Job* job = FindJob(record.job);
  const TaskRef ref{record.job, Phase::kMap, record.map};
  if (job == nullptr || !job->running() || !job->Has(ref) || job->Commits(Phase::kMap)) return;
  const std::uint32_t worker = ExpectWorker(record.output.worker);
  const bool same_life = workers_[worker].ref == record.output.worker;
  if (!same_life && !job->spec.durable_outputs) return;  // that life has ended, output and all
  if (record.output.attempt <= job->task(ref).winner) return;
  RecordSuccess(*job, {ref, record.output.attempt}, worker, record.output.size_bytes);
  job->stats.map_output_bytes += record.output.size_bytes;
}

void Planner::State::Apply(const CommitGranted& record) {
  Job* job = FindJob(record.attempt.task.job);
  const TaskRef ref = record.attempt.task;
  if (job == nullptr || !job->running() || !job->Has(ref) || !job->Commits(ref.phase)) return;
  const std::uint32_t worker = ExpectWorker(record.worker);
  const Task& task = job->task(ref);
  if (workers_[worker].ref != record.worker || task.state == TaskState::kSucceeded ||
      job->FailedBefore(record.attempt) || attempts_.Find(record.attempt.id) != kNone) {
    return;
  }
  if (ref.phase == Phase::kReduce) job->state = JobState::kReducing;
  if (task.primary != kNone) End(task.primary, AttemptEnd::kKilled);  // it had lost the permission
  const std::uint32_t place = Start(job, record.attempt, worker, AttemptKind::kRetry, true);
  attempts_[place].granted = true;
}

void Planner::State::Apply(const TaskCommitted& record) {
  Job* job = FindJob(record.attempt.task.job);
  const TaskRef ref = record.attempt.task;
  if (job == nullptr || !job->running() || !job->Has(ref) || !job->Commits(ref.phase)) return;
  if (job->task(ref).state == TaskState::kSucceeded) return;
  if (ref.phase == Phase::kReduce) job->state = JobState::kReducing;
  RecordSuccess(*job, record.attempt, ExpectWorker(record.worker), record.output_bytes);
  while (job->task(ref).primary != kNone) End(job->task(ref).primary, AttemptEnd::kSucceeded);
  job->stats.output_bytes += record.output_bytes;
}

void Planner::State::Apply(const FailureCounted& record) {
  Job* job = FindJob(record.attempt.task.job);
  if (job == nullptr || !job->running() || !job->Has(record.attempt.task)) return;
  RecordFailure(*job, record, ExpectWorker(record.worker));
  EndIfRunning(record.attempt.id, AttemptEnd::kFailed);
}

void Planner::State::Apply(const RecordSkipped& record) {
  Job* job = FindJob(record.task.job);
  if (job == nullptr || !job->running() || !job->Has(record.task)) return;
  RecordSkip(*job, record.task, record.record);
}

void Planner::State::Apply(const JobEnded& record) {
  Job* job = FindJob(record.job);
  if (job == nullptr || !job->running()) return;
  attempts_.ForEach([&](std::uint32_t place, const RunningAttempt& attempt) {
    if (attempt.job == job) End(place, AttemptEnd::kKilled);
  });
  job->stats = record.stats;
  if (record.state == JobState::kSucceeded) {  // a checkpoint does not say of each task that it did
    job->maps().FinishAll();
    job->reduces().FinishAll();
  }
  CloseJob(*job, record.state, record.failure);
}

void Planner::State::Apply(const JobForgotten& record) {
  Job* job = FindJob(record.job);
  if (job == nullptr || job->running()) return;
  attempts_.ForEach([&](std::uint32_t, RunningAttempt& attempt) {
    if (attempt.job != job) return;
    attempt.job = nullptr;
    attempt.history = kNone;
  });
  std::erase(touched_, job);
  std::erase(ended_, record.job);
  ended_history_ -= job->history.size();
  jobs_.erase(record.job);
}

/// The plan died between a task's last failure and the end of the job.
void Planner::State::FailIfExhausted(Job& job) {
  if (!job.running()) return;
  for (const auto& [task, trouble] : job.trouble) {
    if (trouble.failures.size() < job.spec.max_attempts) continue;
    const Trouble::Failure& last = trouble.failures.back();
    JobFailure failure{{job.id, task.first, task.second}, last.attempt, workers_[last.worker].ref};
    failure.message = absl::StrCat(Name(task.first), " task ", task.second, " failed ",
                                   trouble.failures.size(), " times before a restart");
    failure.record = last.record;
    return EndJob(job, JobState::kFailed, std::move(failure));
  }
}

std::vector<JournalRecord> Planner::State::Checkpoint() const {
  std::vector<JournalRecord> records{EpochStarted{epoch_}};
  for (const JobId id : Jobs()) {
    const Job& job = *FindJob(id);
    records.push_back(JobAdmitted{id, job.spec});
    if (!job.running()) {
      records.push_back(JobEnded{id, job.state, job.failure, job.stats});
      continue;
    }
    for (const Phase phase : {Phase::kMap, Phase::kReduce}) CheckpointTasks(job, phase, &records);
    for (const auto& [task, trouble] : job.trouble) {
      const TaskRef ref{id, task.first, task.second};
      for (const auto& failure : trouble.failures) {
        records.push_back(
            FailureCounted{{ref, failure.attempt}, workers_[failure.worker].ref, failure.record});
      }
      for (const auto& skip : trouble.skip) records.push_back(RecordSkipped{ref, skip});
    }
  }
  attempts_.ForEach([&](std::uint32_t, const RunningAttempt& attempt) {
    if (attempt.granted) {
      records.push_back(CommitGranted{attempt.ref, workers_[attempt.worker].ref});
    }
  });
  return records;
}

void Planner::State::CheckpointTasks(const Job& job, Phase phase,
                                     std::vector<JournalRecord>* records) const {
  const PhaseTasks& tasks = job.tasks(phase);
  for (std::uint32_t i = 0; i < tasks.total(); ++i) {
    const Task& task = tasks[i];
    // What may come back with its worker is as good for the next life.
    if (task.state != TaskState::kSucceeded && !task.recoverable) continue;
    const WorkerRef worker = workers_[task.worker].ref;
    if (job.Commits(phase)) {
      records->push_back(
          TaskCommitted{{{job.id, phase, i}, task.winner}, worker, task.output_bytes});
    } else {
      records->push_back(MapSucceeded{job.id, i, {worker, task.winner, task.output_bytes}});
    }
  }
}

}  // namespace trireme::mapreduce::plan
