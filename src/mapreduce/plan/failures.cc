#include <algorithm>

#include "absl/strings/str_cat.h"
#include "mapreduce/plan/state.h"

namespace trireme::mapreduce::plan {
namespace {

template <typename T>
bool AddOnce(std::vector<T>& set, const T& value) {
  if (std::find(set.begin(), set.end(), value) != set.end()) return false;
  set.push_back(value);
  return true;
}

std::string Describe(TaskRef task) {
  return absl::StrCat(Name(task.phase), " task ", task.index);
}

std::string Describe(const AttemptFailed& event) {
  std::string text = event.message.empty() ? Name(event.kind) : event.message;
  if (event.record) {
    absl::StrAppend(&text, " (at ", event.record->file, ", offset ", event.record->offset, ")");
  }
  return text;
}

}  // namespace

Outcome Planner::State::Handle(const AttemptFailed& event) {
  std::uint32_t worker = kNone;
  if (const Outcome outcome = FindAlive(event.worker, &worker); outcome != Outcome::kOk) {
    return outcome;
  }
  const std::uint32_t place = FindOn(worker, event.attempt);
  if (place == kNone) {
    return FindJob(event.attempt.task.job) ? Outcome::kUnknownAttempt : Outcome::kUnknownJob;
  }
  if (!attempts_[place].attached) {
    End(place, AttemptEnd::kKilled);
  } else if (event.kind == FailureKind::kKilled) {
    Job& job = *attempts_[place].job;
    AddOnce(job.TroubleOf(event.attempt.task).avoid, worker);
    End(place, AttemptEnd::kKilled);
  } else if (event.kind == FailureKind::kFetch) {
    FailOverFetch(place, event);
  } else {
    Fail(place, event, /*still_runs=*/false);
  }
  return Outcome::kOk;
}

/// Counts a failure against the task; the last one allowed fails the job.
void Planner::State::Fail(std::uint32_t place, const AttemptFailed& event, bool still_runs) {
  Job& job = *attempts_[place].job;
  const std::uint32_t worker = attempts_[place].worker;
  const FailureCounted counted{event.attempt, event.worker, event.record,
                               SpanOf(job, attempts_[place])};
  CloseBar(attempts_[place], AttemptEnd::kFailed);
  if (still_runs) {
    Cancel(place, CancelReason::kTimeout);
  } else {
    End(place, AttemptEnd::kFailed);
  }
  output_.records.push_back(counted);
  if (!RecordFailure(job, counted, worker)) return;
  const std::size_t failures = job.TroubleOf(event.attempt.task).failures.size();
  if (failures < job.spec.max_attempts && event.kind != FailureKind::kBadInput) return;
  JobFailure failure{event.attempt.task, event.attempt.id, event.worker};
  failure.message = absl::StrCat(Describe(event.attempt.task), " failed ", failures,
                                 failures == 1 ? " time: " : " times, at last: ", Describe(event));
  failure.record = event.record;
  failure.stderr_tail = event.stderr_tail;
  EndJob(job, JobState::kFailed, std::move(failure));
}

/// False if it was counted before or lies at a record that is skipped from now on.
bool Planner::State::RecordFailure(Job& job, const FailureCounted& failure, std::uint32_t worker) {
  if (job.FailedBefore(failure.attempt)) return false;
  const TaskRef task = failure.attempt.task;
  Trouble& trouble = job.TroubleOf(task);
  ++job.stats.failures;
  AddOnce(trouble.avoid, worker);
  auto& failed_tasks = job.failed_on[worker];
  failed_tasks.insert({task.phase, task.index});
  if (failed_tasks.size() >= limits_.worker_failures_max) job.blacklist.insert(worker);
  if (failure.record &&
      std::find(trouble.skip.begin(), trouble.skip.end(), *failure.record) != trouble.skip.end()) {
    return false;  // an attempt that was assigned before the record was on the list
  }
  trouble.failures.push_back({failure.attempt.id, worker, failure.record});
  if (failure.record && job.spec.skip_bad_records) SkipIfRepeated(job, task, *failure.record);
  Touch(job);
  return true;
}

void Planner::State::SkipIfRepeated(Job& job, TaskRef task, const RecordPosition& record) {
  const Trouble& trouble = job.TroubleOf(task);
  const auto crashes = std::count_if(trouble.failures.begin(), trouble.failures.end(),
                                     [&](const auto& f) { return f.record == record; });
  if (crashes < limits_.bad_record_crashes || trouble.skip.size() >= limits_.skipped_records_max) {
    return;
  }
  output_.records.push_back(RecordSkipped{task, record});
  RecordSkip(job, task, record);
}

/// Failures at a record that will not be read again are forgiven: else a split with three bad
/// records could never be finished in four attempts.
void Planner::State::RecordSkip(Job& job, TaskRef task, const RecordPosition& record) {
  Trouble& trouble = job.TroubleOf(task);
  if (!AddOnce(trouble.skip, record)) return;
  ++job.stats.skipped_records;
  std::erase_if(trouble.failures, [&](const auto& failure) { return failure.record == record; });
}

Outcome Planner::State::Handle(const FetchFailed& event) {
  std::uint32_t worker = kNone;
  if (const Outcome outcome = FindAlive(event.worker, &worker); outcome != Outcome::kOk) {
    return outcome;
  }
  const std::uint32_t place = FindOn(worker, event.attempt);
  if (place == kNone || !attempts_[place].attached) return Outcome::kUnknownAttempt;
  RunningAttempt& attempt = attempts_[place];
  if (attempt.ref.task.phase != Phase::kReduce) return Outcome::kInvalid;
  attempt.changed_ms = now_;  // it waits for a map task, not for its own code
  return ReportFetch(*attempt.job, attempt.ref.id, {event.map, event.map_attempt, event.corrupt});
}

Outcome Planner::State::ReportFetch(Job& job, AttemptId reporter, const FetchSource& source) {
  if (job.state != JobState::kReducing || source.map >= job.maps().total()) {
    return Outcome::kInvalid;
  }
  const Task& task = job.maps()[source.map];
  if (task.state != TaskState::kSucceeded || task.winner != source.map_attempt) {
    return Outcome::kDuplicate;  // it is being made again, or has been
  }
  const TaskRef ref{job.id, Phase::kMap, source.map};
  Trouble& trouble = job.TroubleOf(ref);
  AddOnce(trouble.fetch_reporters, reporter);
  ++trouble.fetch_reports;
  const auto enough = std::min<std::size_t>(limits_.fetch_failures_max, job.running_reduces);
  if (!source.corrupt && trouble.fetch_reporters.size() < enough &&
      trouble.fetch_reports < limits_.fetch_reports_max) {
    return Outcome::kOk;
  }
  AddOnce(trouble.avoid, task.worker);
  const WorkerRef where = workers_[task.worker].ref;
  LoseOutput(job, source.map, /*recoverable=*/false);
  if (++trouble.remakes <= limits_.fetch_remakes_max) return Outcome::kOk;
  JobFailure failure{ref, source.map_attempt, where};
  failure.message = absl::StrCat(
      "the output of ", Describe(ref),
      source.corrupt ? " was damaged on " : " could not be fetched from ", trouble.remakes,
      " workers in turn; ",
      source.corrupt ? "the logs of those that fetched it say how" : "are they reachable?");
  EndJob(job, JobState::kFailed, std::move(failure));
  return Outcome::kOk;
}

/// A reduce attempt that gave up because of map outputs is not at fault itself; but one that always
/// gives up, while the outputs are there, is.
void Planner::State::FailOverFetch(std::uint32_t place, const AttemptFailed& event) {
  const RunningAttempt attempt = attempts_[place];
  Job& job = *attempt.job;
  if (attempt.ref.task.phase == Phase::kReduce) {
    for (const FetchSource& source : event.fetch) {
      (void)ReportFetch(job, attempt.ref.id, source);  // one that means nothing changes nothing
      if (!job.running()) return End(place, AttemptEnd::kFailed);
    }
  }
  Trouble& trouble = job.TroubleOf(event.attempt.task);
  AddOnce(trouble.avoid, attempt.worker);
  if (++trouble.give_ups > limits_.fetch_give_ups_max) {
    return Fail(place, event, /*still_runs=*/false);
  }
  output_.records.push_back(OverOf(attempt, AttemptEnd::kFailed));
  End(place, AttemptEnd::kFailed);
}

void Planner::State::TimeOutAttempts() {
  std::vector<std::uint32_t> stuck;
  attempts_.ForEach([&](std::uint32_t place, const RunningAttempt& attempt) {
    const TimeMs timeout_ms = attempt.attached ? attempt.job->spec.task_timeout_ms : 0;
    if (timeout_ms > 0 && now_ - attempt.changed_ms > timeout_ms) stuck.push_back(place);
  });
  for (const std::uint32_t place : stuck) {
    const RunningAttempt& attempt = attempts_[place];
    if (!attempt.attached) continue;  // its job has failed just now
    AttemptFailed event{attempt.ref, workers_[attempt.worker].ref, FailureKind::kTimeout};
    event.message = absl::StrCat("no progress for ", now_ - attempt.changed_ms,
                                 " ms (task timeout ", attempt.job->spec.task_timeout_ms, " ms)");
    Fail(place, event, /*still_runs=*/true);
  }
}

}  // namespace trireme::mapreduce::plan
