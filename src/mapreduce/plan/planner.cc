#include "mapreduce/plan/planner.h"

#include <utility>

#include "base/check.h"
#include "mapreduce/plan/state.h"

namespace trireme::mapreduce::plan {

Planner::Planner(Limits limits) : state_(std::make_unique<State>(limits)) {}
Planner::Planner(std::unique_ptr<State> state) : state_(std::move(state)) {}
Planner::Planner(Planner&&) noexcept = default;
Planner& Planner::operator=(Planner&&) noexcept = default;
Planner::~Planner() = default;

Planner Planner::Restore(const std::vector<JournalRecord>& records, TimeMs now, Limits limits) {
  auto state = std::make_unique<State>(limits);
  state->Replay(records, now);
  return Planner(std::move(state));
}

Outcome Planner::Step(TimeMs now, const Event& event) {
  return state_->Step(now, event);
}
void Planner::Tick(TimeMs now) {
  state_->Tick(now);
}
Output Planner::TakeOutput() {
  return state_->TakeOutput();
}
std::optional<MapOutput> Planner::FindMapOutput(JobId job, std::uint32_t map) const {
  return state_->FindMapOutput(job, map);
}
std::vector<JobId> Planner::Jobs() const {
  return state_->Jobs();
}
std::optional<JobSnapshot> Planner::Snapshot(JobId job) const {
  return state_->Snapshot(job);
}
std::vector<AttemptTrace> Planner::Timeline(JobId job) const {
  return state_->Timeline(job);
}
std::vector<WorkerSnapshot> Planner::Workers() const {
  return state_->Workers();
}
std::vector<JournalRecord> Planner::Checkpoint() const {
  return state_->Checkpoint();
}
std::uint32_t Planner::epoch() const {
  return state_->epoch();
}
const Limits& Planner::limits() const {
  return state_->limits();
}
std::size_t Planner::MemoryBytes() const {
  return state_->MemoryBytes();
}

Planner::State::State(Limits limits) : limits_(limits), workers_(limits.slow_worker_speed) {
  output_.records.push_back(EpochStarted{epoch_});
}

Outcome Planner::State::Step(TimeMs now, const Event& event) {
  Advance(now);
  const Outcome outcome = std::visit([this](const auto& e) { return Handle(e); }, event);
  SettleTouched();
  Dispatch();
  return outcome;
}

void Planner::State::Tick(TimeMs now) {
  Advance(now);
  if (now_ - reviewed_ms_ >= limits_.review_interval_ms) Review();
  SettleTouched();
  Dispatch();
}

Output Planner::State::TakeOutput() {
  return std::exchange(output_, Output{});
}

void Planner::State::Advance(TimeMs now) {
  if (!clock_started_) {
    clock_started_ = true;
    now_ = reviewed_ms_ = now;
    return;
  }
  if (now <= now_) return;
  const TimeMs pause_ms = now - now_;
  now_ = now;
  if (limits_.worker_lease_ms > 0 && pause_ms > limits_.worker_lease_ms / 2) {
    ForgivePause(pause_ms);
  }
}

// A plan that was itself stopped (SIGSTOP, a slow disk under the journal) has heard of nobody. The
// workers' messages wait in its sockets; without this it would declare all of them lost first.
void Planner::State::ForgivePause(TimeMs pause_ms) {
  for (std::uint32_t i = 0; i < workers_.size(); ++i) workers_[i].heard_ms += pause_ms;
  attempts_.ForEach([&](std::uint32_t, RunningAttempt& attempt) {
    attempt.changed_ms += pause_ms;
    attempt.listed_ms += pause_ms;
  });
}

void Planner::State::Review() {
  reviewed_ms_ = now_;
  ExpireLeases();
  TimeOutAttempts();
  SettleTouched();
  Dispatch();
  PreemptForRemakes();
  Speculate();
}

Job* Planner::State::FindJob(JobId id) const {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : found->second.get();
}

Outcome Planner::State::Handle(const JobSubmitted& event) {
  if (FindJob(event.job) != nullptr) return Outcome::kDuplicate;
  if (event.spec.max_attempts == 0 || event.spec.task_timeout_ms < 0) return Outcome::kInvalid;
  if (std::uint64_t{event.spec.maps} + event.spec.reduces > limits_.tasks_max ||
      jobs_.size() - ended_.size() >= limits_.jobs_max) {
    return Outcome::kOverLimit;
  }
  output_.records.push_back(JobAdmitted{event.job, event.spec, now_});
  Job& job = AddJob(event.job, event.spec);
  output_.actions.push_back(JobStateChanged{job.id, job.state, std::nullopt});
  return Outcome::kOk;
}

Outcome Planner::State::Handle(const JobCancelled& event) {
  Job* job = FindJob(event.job);
  if (job == nullptr) return Outcome::kUnknownJob;
  if (!job->running()) return Outcome::kDuplicate;
  EndJob(*job, JobState::kCancelled, std::nullopt);
  return Outcome::kOk;
}

Job& Planner::State::AddJob(JobId id, const JobSpec& spec) {
  auto& job = jobs_[id];
  job = std::make_unique<Job>(id, next_order_++, spec, now_);
  Touch(*job);
  return *job;
}

JobEnded Planner::State::EndOf(const Job& job, JobState state,
                               const std::optional<JobFailure>& failure, TimeMs at_ms) {
  const TimeMs maps_done_ms = job.maps_done_ms == 0 ? 0 : job.maps_done_ms - job.submitted_ms;
  return {job.id, state, failure, job.stats, maps_done_ms, at_ms - job.submitted_ms};
}

void Planner::State::EndJob(Job& job, JobState state, std::optional<JobFailure> failure) {
  attempts_.ForEach([&](std::uint32_t place, RunningAttempt& attempt) {
    if (attempt.job == &job && attempt.attached) Cancel(place, CancelReason::kJobOver);
  });
  output_.records.push_back(EndOf(job, state, failure, now_));
  output_.actions.push_back(JobStateChanged{job.id, state, failure});
  output_.actions.push_back(ReleaseJob{job.id});
  CloseJob(job, state, std::move(failure));
  ForgetOldJobs();
}

/// Ends a job that has no attached attempt.
void Planner::State::CloseJob(Job& job, JobState state, std::optional<JobFailure> failure) {
  TRIREME_CHECK(job.running() && job.attached == 0);
  job.state = state;
  job.failure = std::move(failure);
  job.ended_ms = now_;
  for (std::uint32_t i = 0; i < workers_.size(); ++i) workers_[i].outputs.erase(job.id);
  job.maps().Release();
  job.reduces().Release();
  job.trouble.clear();
  job.failed_on.clear();
  job.lost = {};
  Refresh(job);
  ended_.push_back(job.id);
  ended_history_ += job.history.size();
}

void Planner::State::ForgetOldJobs() {
  for (const JobId id : ended_) {
    if (ended_history_ <= limits_.ended_history_max) break;
    Job& job = *FindJob(id);
    ended_history_ -= job.history.size();
    job.history = {};
  }
  while (ended_.size() > limits_.ended_jobs_max) {
    output_.records.push_back(JobForgotten{ended_.front()});
    Apply(JobForgotten{ended_.front()});
  }
}

void Planner::State::Touch(Job& job) {
  if (job.touched) return;
  job.touched = true;
  touched_.push_back(&job);
}

void Planner::State::SettleTouched() {
  while (!touched_.empty()) {
    Job& job = *touched_.back();
    touched_.pop_back();
    job.touched = false;
    Settle(job);
  }
}

void Planner::State::Settle(Job& job) {
  if (job.NeedsMapOutputs() && job.maps().count(TaskState::kLost) > 0) RemakeLost(job);
  if (job.state == JobState::kMapping && job.maps().AllSucceeded() && job.spec.reduces > 0) {
    job.state = JobState::kReducing;
    if (job.maps_done_ms == 0) job.maps_done_ms = now_;
    output_.actions.push_back(JobStateChanged{job.id, job.state, std::nullopt});
  }
  if (job.running() && (job.spec.reduces > 0 ? job.reduces() : job.maps()).AllSucceeded()) {
    EndJob(job, JobState::kSucceeded, std::nullopt);
  }
  if (job.maps().count(TaskState::kWaiting) == 0) job.reserved = false;
  Refresh(job);
}

void Planner::State::RemakeLost(Job& job) {
  for (const std::uint32_t map : job.lost) {
    if (job.maps()[map].state != TaskState::kLost) continue;
    job.maps().WaitAgain(map);
    ++job.stats.outputs_lost;
  }
  job.lost.clear();
}

/// Puts the job where it belongs among those that have something to assign.
void Planner::State::Refresh(Job& job) {
  std::optional<Job::OrderKey> key;
  if (job.Assignable()) key = job.Key();
  if (key == job.ready_key) return;
  if (job.ready_key) ready_.erase(*job.ready_key);
  if (key) ready_.emplace(*key, &job);
  job.ready_key = key;
}

}  // namespace trireme::mapreduce::plan
