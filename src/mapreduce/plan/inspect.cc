#include <algorithm>
#include <tuple>

#include "mapreduce/plan/state.h"

namespace trireme::mapreduce::plan {

std::optional<MapOutput> Planner::State::FindMapOutput(JobId id, std::uint32_t map) const {
  const Job* job = FindJob(id);
  if (job == nullptr || !job->running() || map >= job->maps().total()) return std::nullopt;
  const Task& task = job->maps()[map];
  if (task.state != TaskState::kSucceeded || job->Commits(Phase::kMap)) return std::nullopt;
  return MapOutput{workers_[task.worker].ref, task.winner, task.output_bytes};
}

std::vector<JobId> Planner::State::Jobs() const {
  std::vector<const Job*> jobs;
  for (const auto& [id, job] : jobs_) jobs.push_back(job.get());
  std::sort(jobs.begin(), jobs.end(),
            [](const Job* a, const Job* b) { return a->order < b->order; });
  std::vector<JobId> ids;
  for (const Job* job : jobs) ids.push_back(job->id);
  return ids;
}

std::optional<JobSnapshot> Planner::State::Snapshot(JobId id) const {
  const Job* job = FindJob(id);
  if (job == nullptr) return std::nullopt;
  JobSnapshot shot{job->id, job->spec, job->state, job->failure};
  shot.stats = job->stats;
  shot.running_attempts = job->attached;
  shot.submitted_ms = job->submitted_ms;
  shot.maps_done_ms = job->maps_done_ms;
  shot.ended_ms = job->ended_ms;
  double shares[2] = {};
  attempts_.ForEach([&](std::uint32_t place, const RunningAttempt& attempt) {
    if (attempt.job != job || !attempt.attached) return;
    const TaskRef ref = attempt.ref.task;
    const Task& task = job->tasks(ref.phase)[ref.index];
    if (task.primary == place) shares[static_cast<std::size_t>(ref.phase)] += attempt.progress;
  });
  for (const Phase phase : {Phase::kMap, Phase::kReduce}) {
    const PhaseTasks& tasks = job->tasks(phase);
    PhaseCounts& counts = phase == Phase::kMap ? shot.maps : shot.reduces;
    counts.total = tasks.total();
    counts.waiting = tasks.count(TaskState::kWaiting);
    counts.running = tasks.count(TaskState::kRunning);
    // An output that is gone and that nobody needs was made all the same.
    counts.succeeded = tasks.count(TaskState::kSucceeded) + tasks.count(TaskState::kLost);
    counts.progress = counts.total == 0 ? 1
                                        : (counts.succeeded + shares[static_cast<int>(phase)]) /
                                              static_cast<double>(counts.total);
  }
  return shot;
}

std::vector<AttemptTrace> Planner::State::Timeline(JobId id) const {
  std::vector<AttemptTrace> bars;
  const Job* job = FindJob(id);
  if (job == nullptr) return bars;
  bars.reserve(job->history.size());
  for (const HistoryEntry& entry : job->history) {
    AttemptTrace bar{{{id, entry.phase, entry.task}, entry.id}, workers_[entry.worker].ref.id};
    bar.start_ms = job->submitted_ms + entry.start_ms;
    bar.end_ms = entry.end == AttemptEnd::kRunning ? 0 : bar.start_ms + entry.length_ms;
    bar.kind = entry.kind;
    bar.end = entry.end;
    bar.number = entry.number;
    bars.push_back(bar);
  }
  // What began together has an order, too: after a takeover the history is in another one.
  std::ranges::sort(bars, {}, [](const AttemptTrace& bar) {
    return std::tuple(bar.start_ms, bar.attempt.task, bar.number);
  });
  return bars;
}

std::vector<WorkerSnapshot> Planner::State::Workers() const {
  std::vector<WorkerSnapshot> shots;
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    const Worker& worker = workers_[i];
    WorkerSnapshot shot{worker.ref, worker.host, worker.state == WorkerState::kAlive};
    shot.slots = worker.slots;
    shot.busy = static_cast<std::uint32_t>(worker.attempts.size());
    shot.last_heard_ms = worker.heard_ms;
    shot.speed = 1 / worker.slowness;
    shots.push_back(std::move(shot));
  }
  return shots;
}

std::size_t Planner::State::MemoryBytes() const {
  std::size_t bytes = attempts_.MemoryBytes();
  for (const auto& [id, job] : jobs_) bytes += job->MemoryBytes();
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    for (const auto& [id, maps] : workers_[i].outputs) {
      bytes += 64 + maps.capacity() * sizeof(std::uint32_t);
    }
  }
  return bytes;
}

}  // namespace trireme::mapreduce::plan
