#include <algorithm>

#include "mapreduce/plan/state.h"

namespace trireme::mapreduce::plan {

/// The place of a worker that may speak; every word renews its lease.
Outcome Planner::State::FindAlive(WorkerRef ref, std::uint32_t* place) {
  *place = workers_.Find(ref.id);
  if (*place == kNone) return Outcome::kUnknownWorker;
  Worker& worker = workers_[*place];
  if (ref.incarnation < worker.ref.incarnation) return Outcome::kStaleIncarnation;
  if (ref.incarnation > worker.ref.incarnation) return Outcome::kUnknownWorker;
  worker.heard_ms = now_;
  return worker.state == WorkerState::kAlive ? Outcome::kOk : Outcome::kUnknownWorker;
}

Outcome Planner::State::Handle(const WorkerRegistered& event) {
  std::uint32_t place = workers_.Find(event.worker.id);
  if (place == kNone) {
    if (workers_.size() >= limits_.workers_max) return Outcome::kOverLimit;
    place = workers_.Add(event.worker);
  }
  if (event.worker.incarnation < workers_[place].ref.incarnation) {
    return Outcome::kStaleIncarnation;
  }
  if (event.worker.incarnation > workers_[place].ref.incarnation) {
    StartNewLife(place, event.worker);
  } else if (workers_[place].state == WorkerState::kLost) {
    RecoverOutputs(place);
  }
  workers_[place].host = event.host;
  workers_[place].heard_ms = now_;
  const std::uint32_t slots = std::min(event.slots, limits_.worker_slots_max);
  workers_.SetSlots(place, event.catches_up ? 0 : slots);
  workers_.SetState(place, WorkerState::kAlive);
  ReadListing(place, event.running, event.catches_up ? limits_.worker_slots_max : slots);
  return Outcome::kOk;
}

Outcome Planner::State::Handle(const WorkerHeartbeat& event) {
  std::uint32_t place = kNone;
  if (const Outcome outcome = FindAlive(event.worker, &place); outcome != Outcome::kOk) {
    return outcome;
  }
  workers_.SetSlots(place, std::min(event.slots, limits_.worker_slots_max));
  ReadListing(place, event.running, workers_[place].slots);
  return Outcome::kOk;
}

Outcome Planner::State::Handle(const WorkerGone& event) {
  const std::uint32_t place = workers_.Find(event.worker.id);
  if (place == kNone) return Outcome::kUnknownWorker;
  if (event.worker.incarnation < workers_[place].ref.incarnation) {
    return Outcome::kStaleIncarnation;
  }
  LoseWorker(place, /*recoverable=*/false);
  return Outcome::kOk;
}

void Planner::State::StartNewLife(std::uint32_t place, WorkerRef ref) {
  LoseWorker(place, /*recoverable=*/false);
  workers_[place].ref = ref;
  workers_[place].slowness = 1;
}

/// `recoverable`: it may only be out of reach, and come back with its outputs.
void Planner::State::LoseWorker(std::uint32_t place, bool recoverable) {
  Worker& worker = workers_[place];
  while (!worker.attempts.empty()) End(worker.attempts.back(), AttemptEnd::kLostWorker);
  workers_.SetState(place, WorkerState::kLost);
  for (const auto& [id, maps] : worker.outputs) {
    Job& job = *FindJob(id);
    if (job.spec.durable_outputs) continue;
    for (const std::uint32_t map : maps) {
      Task& task = job.maps()[map];
      if (task.worker != place) continue;
      if (task.state == TaskState::kSucceeded) LoseOutput(job, map, recoverable);
      task.recoverable = task.recoverable && recoverable;
    }
  }
  if (!recoverable) worker.outputs.clear();
}

/// The worker is back in the same life: what it made need not be made again.
void Planner::State::RecoverOutputs(std::uint32_t place) {
  for (const auto& [id, maps] : workers_[place].outputs) {
    Job& job = *FindJob(id);
    for (const std::uint32_t map : maps) {
      Task& task = job.maps()[map];
      if (task.worker != place || !task.recoverable || task.state == TaskState::kSucceeded)
        continue;
      task.recoverable = false;
      job.maps().SetState(map, TaskState::kSucceeded);
      while (task.primary != kNone) Cancel(task.primary, CancelReason::kOtherWon);
      if (job.state == JobState::kReducing) {
        output_.actions.push_back(
            MapOutputMoved{job.id, map, {workers_[place].ref, task.winner, task.output_bytes}});
      }
      Touch(job);
    }
  }
}

/// `most`: so many attempts the worker may have, those that it has already among them.
void Planner::State::ReadListing(std::uint32_t place, const std::vector<AttemptProgress>& running,
                                 std::uint32_t most) {
  std::size_t budget = limits_.worker_slots_max;
  for (const AttemptProgress& said : running) {
    if (budget-- == 0) break;
    const std::uint32_t attempt = attempts_.Find(said.attempt.id);
    if (attempt == kNone) {
      AdoptListed(place, said, most);
    } else if (attempts_[attempt].worker == place && attempts_[attempt].ref == said.attempt) {
      ReadProgress(attempt, said);
    }
  }
  if (limits_.worker_lease_ms > 0) DropUnlisted(place);
}

void Planner::State::ReadProgress(std::uint32_t place, const AttemptProgress& said) {
  RunningAttempt& attempt = attempts_[place];
  attempt.listed_ms = now_;
  attempt.listed = true;
  if (!attempt.attached) {  // the cancellation may have been lost on its way
    output_.actions.push_back(
        CancelAttempt{workers_[attempt.worker].ref, attempt.ref, CancelReason::kNotWanted});
    return;
  }
  const double progress = std::clamp(said.progress, 0.0, 1.0);
  if (progress != attempt.progress || said.records != attempt.records) attempt.changed_ms = now_;
  attempt.progress = progress;
  attempt.records = said.records;
  if (said.inputs_fetched && !attempt.fetched && attempt.ref.task.phase == Phase::kReduce) {
    attempt.fetched = true;
    UpdateFetched(*attempt.job, attempt.ref.task);
  }
}

/// The worker runs something the plan does not know: taken over if its task waits for a slot (the
/// plan was restarted, or held the worker for lost), else cancelled. Either way it holds a slot.
void Planner::State::AdoptListed(std::uint32_t place, const AttemptProgress& said,
                                 std::uint32_t most) {
  const AttemptRef ref = said.attempt;
  Worker& worker = workers_[place];
  Job* job = FindJob(ref.task.job);
  if (job != nullptr && (!job->running() || !job->Has(ref.task))) job = nullptr;
  if (job != nullptr && job->task(ref.task).winner == ref.id) return;  // its answer is on the way
  const bool room = worker.attempts.size() < most;
  if (!room || !WasIssued(ref.id) || limits_.worker_lease_ms == 0) {
    output_.actions.push_back(CancelAttempt{worker.ref, ref, CancelReason::kNotWanted});
    return;
  }
  const bool adopt =
      job != nullptr && IsWanted(*job, ref) && job->task(ref.task).state == TaskState::kWaiting;
  const TimeMs age_ms = std::max<TimeMs>(said.age_ms, 0);
  const TimeMs born_ms = job == nullptr ? now_ : std::max(now_ - age_ms, job->submitted_ms);
  const std::uint32_t attempt = Start(job, ref, place, {said.kind, said.number, born_ms}, adopt);
  ReadProgress(attempt, said);
}

/// An attempt that is wanted may still be on its way to the worker; one that is not wanted, and was
/// seen there before, has stopped.
void Planner::State::DropUnlisted(std::uint32_t place) {
  const std::vector<std::uint32_t> held = workers_[place].attempts;
  for (const std::uint32_t place_held : held) {
    const RunningAttempt& attempt = attempts_[place_held];
    const bool stopped = !attempt.attached && attempt.listed && attempt.listed_ms < now_;
    if (stopped || now_ - attempt.listed_ms > limits_.attempt_unlisted_ms) {
      End(place_held, AttemptEnd::kKilled);
    }
  }
}

void Planner::State::ExpireLeases() {
  if (limits_.worker_lease_ms == 0) return;
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    if (workers_[i].state != WorkerState::kLost &&
        now_ - workers_[i].heard_ms > limits_.worker_lease_ms) {
      LoseWorker(i, /*recoverable=*/true);
    }
  }
}

}  // namespace trireme::mapreduce::plan
