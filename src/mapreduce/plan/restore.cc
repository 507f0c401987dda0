#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "mapreduce/plan/state.h"

namespace trireme::mapreduce::plan {
namespace {

/// The attempt's own doing: it cannot come back from that.
bool IsOwnEnd(AttemptEnd end) {
  return end == AttemptEnd::kSucceeded || end == AttemptEnd::kFailed;
}

/// When its last map ended, as far as its timeline tells; 0: it does not.
TimeMs MapsEndMs(const Job& job) {
  TimeMs end_ms = 0;
  for (const HistoryEntry& bar : job.history) {
    if (bar.phase != Phase::kMap || bar.end != AttemptEnd::kSucceeded) continue;
    end_ms = std::max(end_ms, job.submitted_ms + bar.start_ms + bar.length_ms);
  }
  return end_ms;
}

/// A record that a checkpoint has anyway tells of this attempt: its task's success or a failure
/// that counts.
bool IsTold(const Job& job, const HistoryEntry& bar) {
  if (bar.end == AttemptEnd::kFailed) return job.FailedBefore(RefOf(job, bar));
  const Task& task = job.tasks(bar.phase)[bar.task];
  return bar.end == AttemptEnd::kSucceeded && task.winner == bar.id && task.IsKept();
}

/// Places in the timeline of the attempts whose work the tasks of this phase have.
std::vector<std::uint32_t> WinnersBars(const Job& job, Phase phase) {
  const PhaseTasks& tasks = job.tasks(phase);
  std::vector<std::uint32_t> places(tasks.total(), kNone);
  for (std::uint32_t i = 0; i < job.history.size(); ++i) {
    const HistoryEntry& bar = job.history[i];
    if (bar.phase == phase && tasks[bar.task].winner == bar.id) places[bar.task] = i;
  }
  return places;
}

std::map<AttemptId, AttemptSpan> FailuresSpans(const Job& job) {
  std::map<AttemptId, AttemptSpan> spans;
  for (const HistoryEntry& bar : job.history) {
    if (bar.end == AttemptEnd::kFailed) spans[bar.id] = SpanOfBar(bar);
  }
  return spans;
}

}  // namespace

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
  restored_bars_ = {};
  for (const JobId id : Jobs()) MakeOldEnough(*FindJob(id));
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

Planner::State::Origin Planner::State::OriginOf(const Job& job,
                                                const std::optional<AttemptSpan>& span) const {
  if (!span) return {AttemptKind::kNormal, 0, now_};
  return {span->kind, span->number, std::min(job.submitted_ms + span->start_ms, now_)};
}

/// An attempt that is over, in the timeline. One of which more than one record tells (its worker
/// was held for lost, and came back) has one bar, with the end that it came to at last.
void Planner::State::RestoreBar(Job& job, AttemptRef ref, std::uint32_t worker,
                                const std::optional<AttemptSpan>& span, AttemptEnd end) {
  if (!span) return;
  job.task(ref.task).CountNumber(span->number);
  const HistoryEntry bar = MakeBar(ref, worker, *span, end);
  const auto [known, added] = restored_bars_.try_emplace(ref.id, kNone);
  if (added) {
    job.CountAttempt(span->kind);
    job.stats.killed += !IsOwnEnd(end);
    if (job.history.size() >= limits_.attempt_history_max) return;
    known->second = static_cast<std::uint32_t>(job.history.size());
    job.history.push_back(bar);
  } else if (known->second != kNone &&
             (IsOwnEnd(end) || !IsOwnEnd(job.history[known->second].end))) {
    job.history[known->second] = bar;
  }
}

/// When another machine's clock wrote the records: a job is at least as old as what it has done.
void Planner::State::MakeOldEnough(Job& job) {
  TimeMs age_ms = std::max(job.maps_done_ms, job.ended_ms) - job.submitted_ms;
  for (const HistoryEntry& bar : job.history) {
    age_ms = std::max(age_ms, TimeMs{bar.start_ms} + bar.length_ms);
  }
  const TimeMs behind_ms = age_ms - (now_ - job.submitted_ms);
  if (behind_ms <= 0) return;
  job.submitted_ms -= behind_ms;
  if (job.maps_done_ms != 0) job.maps_done_ms -= behind_ms;
  if (job.ended_ms != 0) job.ended_ms -= behind_ms;
  attempts_.ForEach([&](std::uint32_t, RunningAttempt& attempt) {
    if (attempt.job == &job) attempt.start_ms -= behind_ms;
  });
}

void Planner::State::EndIfRunning(AttemptId id, AttemptEnd end) {
  if (const std::uint32_t place = attempts_.Find(id); place != kNone) End(place, end);
}

void Planner::State::Apply(const EpochStarted& record) {
  epoch_ = std::max(epoch_, record.epoch);
}

void Planner::State::Apply(const JobAdmitted& record) {
  if (FindJob(record.job) != nullptr) return;
  Job& job = AddJob(record.job, record.spec);
  if (!record.submitted_ms) return;
  job.submitted_ms = std::min(*record.submitted_ms, now_);
  if (job.spec.maps == 0 && job.spec.reduces > 0) job.maps_done_ms = job.submitted_ms;
}

void Planner::State::Apply(const MapSucceeded& record) {
  Job* job = FindJob(record.job);
  const TaskRef ref{record.job, Phase::kMap, record.map};
  if (job == nullptr || !job->running() || !job->Has(ref) || job->Commits(Phase::kMap)) return;
  const std::uint32_t worker = ExpectWorker(record.output.worker);
  RestoreBar(*job, {ref, record.output.attempt}, worker, record.span, AttemptEnd::kSucceeded);
  const bool same_life = workers_[worker].ref == record.output.worker;
  if (!same_life && !job->spec.durable_outputs) return;  // that life has ended, output and all
  if (record.output.attempt <= job->task(ref).winner) return;
  RecordSuccess(*job, {ref, record.output.attempt}, worker, record.output.size_bytes);
  job->stats.map_output_bytes += record.output.size_bytes;
  if (job->maps_done_ms == 0 && job->maps().AllSucceeded()) job->maps_done_ms = MapsEndMs(*job);
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
  const Origin origin = OriginOf(*job, record.span);
  const std::uint32_t place = Start(job, record.attempt, worker, origin, true);
  attempts_[place].granted = true;
  restored_bars_.try_emplace(record.attempt.id, attempts_[place].history);
}

void Planner::State::Apply(const TaskCommitted& record) {
  Job* job = FindJob(record.attempt.task.job);
  const TaskRef ref = record.attempt.task;
  if (job == nullptr || !job->running() || !job->Has(ref) || !job->Commits(ref.phase)) return;
  if (job->task(ref).state == TaskState::kSucceeded) return;
  if (ref.phase == Phase::kReduce) job->state = JobState::kReducing;
  const std::uint32_t worker = ExpectWorker(record.worker);
  RecordSuccess(*job, record.attempt, worker, record.output_bytes);
  while (job->task(ref).primary != kNone) End(job->task(ref).primary, AttemptEnd::kSucceeded);
  RestoreBar(*job, record.attempt, worker, record.span, AttemptEnd::kSucceeded);
  job->stats.output_bytes += record.output_bytes;
}

void Planner::State::Apply(const FailureCounted& record) {
  Job* job = FindJob(record.attempt.task.job);
  if (job == nullptr || !job->running() || !job->Has(record.attempt.task)) return;
  const std::uint32_t worker = ExpectWorker(record.worker);
  RecordFailure(*job, record, worker);
  EndIfRunning(record.attempt.id, AttemptEnd::kFailed);
  RestoreBar(*job, record.attempt, worker, record.span, AttemptEnd::kFailed);
}

/// Its worker is not expected: this is no word of anything that it still has.
void Planner::State::Apply(const AttemptOver& record) {
  Job* job = FindJob(record.attempt.task.job);
  if (job == nullptr || !job->running() || !job->Has(record.attempt.task)) return;
  std::uint32_t worker = workers_.Find(record.worker.id);
  if (worker == kNone) worker = workers_.Add(record.worker);
  EndIfRunning(record.attempt.id, record.end);
  RestoreBar(*job, record.attempt, worker, record.span, record.end);
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
  if (record.maps_done_ms > 0) job->maps_done_ms = job->submitted_ms + record.maps_done_ms;
  if (record.ended_ms > 0) job->ended_ms = job->submitted_ms + record.ended_ms;
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
  const std::map<JobId, std::size_t> bars = CheckpointedBars();
  for (const JobId id : Jobs()) {
    const Job& job = *FindJob(id);
    records.push_back(JobAdmitted{id, job.spec, job.submitted_ms});
    CheckpointBars(job, bars.at(id), &records);
    if (!job.running()) {
      records.push_back(EndOf(job, job.state, job.failure, job.ended_ms));
      continue;
    }
    for (const Phase phase : {Phase::kMap, Phase::kReduce}) CheckpointTasks(job, phase, &records);
    CheckpointTroubles(job, &records);
  }
  attempts_.ForEach([&](std::uint32_t, const RunningAttempt& attempt) {
    if (!attempt.granted) return;
    AttemptSpan span = SpanOf(*attempt.job, attempt);
    span.length_ms = 0;
    records.push_back(CommitGranted{attempt.ref, workers_[attempt.worker].ref, span});
  });
  return records;
}

/// How many attempts of each job a checkpoint tells of only for the timeline's sake: the newest
/// jobs' first.
std::map<JobId, std::size_t> Planner::State::CheckpointedBars() const {
  std::map<JobId, std::size_t> bars;
  std::size_t room = limits_.checkpoint_history_max;
  const std::vector<JobId> jobs = Jobs();
  for (auto id = jobs.rbegin(); id != jobs.rend(); ++id) {
    bars[*id] = std::min(room, FindJob(*id)->history.size());
    room -= bars[*id];
  }
  return bars;
}

void Planner::State::CheckpointBars(const Job& job, std::size_t most,
                                    std::vector<JournalRecord>* records) const {
  for (auto bar = job.history.rbegin(); bar != job.history.rend() && most > 0; ++bar) {
    if (bar->end == AttemptEnd::kRunning || (job.running() && IsTold(job, *bar))) continue;
    records->push_back(
        AttemptOver{RefOf(job, *bar), workers_[bar->worker].ref, bar->end, SpanOfBar(*bar)});
    --most;
  }
}

void Planner::State::CheckpointTroubles(const Job& job, std::vector<JournalRecord>* records) const {
  const std::map<AttemptId, AttemptSpan> spans = FailuresSpans(job);
  for (const auto& [task, trouble] : job.trouble) {
    const TaskRef ref{job.id, task.first, task.second};
    for (const auto& failure : trouble.failures) {
      const auto span = spans.find(failure.attempt);
      records->push_back(
          FailureCounted{{ref, failure.attempt},
                         workers_[failure.worker].ref,
                         failure.record,
                         span == spans.end() ? std::nullopt : std::optional(span->second)});
    }
    for (const auto& skip : trouble.skip) records->push_back(RecordSkipped{ref, skip});
  }
}

void Planner::State::CheckpointTasks(const Job& job, Phase phase,
                                     std::vector<JournalRecord>* records) const {
  const PhaseTasks& tasks = job.tasks(phase);
  const std::vector<std::uint32_t> bars = WinnersBars(job, phase);
  for (std::uint32_t i = 0; i < tasks.total(); ++i) {
    const Task& task = tasks[i];
    if (!task.IsKept()) continue;
    const WorkerRef worker = workers_[task.worker].ref;
    std::optional<AttemptSpan> span;
    if (bars[i] != kNone) span = SpanOfBar(job.history[bars[i]]);
    if (job.Commits(phase)) {
      records->push_back(
          TaskCommitted{{{job.id, phase, i}, task.winner}, worker, task.output_bytes, span});
    } else {
      records->push_back(MapSucceeded{job.id, i, {worker, task.winner, task.output_bytes}, span});
    }
  }
}

}  // namespace trireme::mapreduce::plan
