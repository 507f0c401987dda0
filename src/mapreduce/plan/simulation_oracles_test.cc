// What must hold in every simulated cluster, whatever fails in it.

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "mapreduce/plan/describe.h"
#include "mapreduce/plan/simulated_cluster.h"

namespace trireme::mapreduce::plan {

using absl::StrCat;

void SimulatedCluster::Violation(const std::string& text) {
  violations_.push_back(StrCat("at ", now_, " ms: ", text));
}

// FNV-1a.
void SimulatedCluster::Trace(const std::string& line) {
  if (options_.print) std::fprintf(stderr, "%lld %s\n", static_cast<long long>(now_), line.c_str());
  for (const char c : StrCat(now_, " ", line, "\n")) {
    trace_hash_ = (trace_hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  }
}

void SimulatedCluster::SeeWorker(WorkerRef worker) {
  Heard& heard = heard_[worker.id];
  if (worker.incarnation < heard.incarnation) return;
  if (now_ - heard.last_ms > limits_.worker_lease_ms) heard.silent_until_ms = now_;
  heard.incarnation = worker.incarnation;
  heard.last_ms = now_;
}

void SimulatedCluster::SeeEvent(const Event& event) {
  std::visit(
      [this](const auto& e) {
        if constexpr (requires { e.worker; }) SeeWorker(e.worker);
      },
      event);
  if (const auto* fetch = std::get_if<FetchFailed>(&event)) {
    fetch_reported_.insert(fetch->map_attempt);
  }
}

void SimulatedCluster::SeeRecord(const JournalRecord& record) {
  if (const auto* map = std::get_if<MapSucceeded>(&record)) {
    finished_[{map->job, Phase::kMap, map->map}] = {map->output, now_};
  } else if (const auto* grant = std::get_if<CommitGranted>(&record)) {
    const TaskRef task = grant->attempt.task;
    const auto holder = granted_.find(task);
    if (holder != granted_.end() && holder->second != grant->attempt && IsRunning(holder->second)) {
      Violation(StrCat(Describe(record), " while ", Describe(holder->second), " holds it"));
    }
    granted_[task] = grant->attempt;
    ever_granted_.insert(grant->attempt.id);
  } else if (const auto* commit = std::get_if<TaskCommitted>(&record)) {
    if (++committed_[commit->attempt.task] > 1) Violation(StrCat("again: ", Describe(record)));
    if (renamed_.count(commit->attempt.task) == 0) {
      Violation(StrCat("nobody renamed anything: ", Describe(record)));
    }
  } else if (const auto* failure = std::get_if<FailureCounted>(&record)) {
    auto& counted = counted_[failure->attempt.task];
    if (!counted.insert(failure->attempt.id).second) Violation("again: " + Describe(record));
    if (counted.size() >= JobSpec{}.max_attempts) Violation("too many: " + Describe(record));
  } else if (const auto* ended = std::get_if<JobEnded>(&record)) {
    if (!ended_.emplace(ended->job, ended->state).second) Violation("again: " + Describe(record));
  }
}

void SimulatedCluster::SeeAssignment(const AssignAttempt& action) {
  const TaskRef task = action.attempt.task;
  if (!assigned_.insert(action.attempt.id).second) {
    Violation(StrCat("attempt id used twice: ", Describe(action)));
  }
  if (ended_.count(task.job) != 0) Violation(StrCat("job is over: ", Describe(action)));
  if (committed_.count(task) != 0) Violation(StrCat("task is committed: ", Describe(action)));
  if (Running(task) > 2) Violation(StrCat("a second backup: ", Describe(action)));
  if (finished_.count(task) == 0) return;
  if (!MayBeLost(task)) Violation(StrCat("its output is there: ", Describe(action)));
  ++remade_;
  finished_.erase(task);
}

void SimulatedCluster::SeeRename(const AttemptRef& attempt) {
  if (ever_granted_.count(attempt.id) == 0) {
    Violation(StrCat("committed without permission: ", Describe(attempt)));
  }
  renamed_.insert(attempt.task);
}

/// The planner has been told, or has had to conclude, that the task's output is out of reach.
bool SimulatedCluster::MayBeLost(const TaskRef& map) const {
  const auto& [output, when_ms] = finished_.at(map);
  const Heard& heard = heard_.at(output.worker.id);
  return heard.incarnation > output.worker.incarnation || heard.silent_until_ms >= when_ms ||
         now_ - heard.last_ms > limits_.worker_lease_ms ||
         fetch_reported_.count(output.attempt) != 0;
}

std::size_t SimulatedCluster::Running(const TaskRef& task) const {
  const auto bars = planner_->Timeline(task.job);
  return static_cast<std::size_t>(std::count_if(bars.begin(), bars.end(), [&](const auto& bar) {
    return bar.attempt.task == task && bar.end == AttemptEnd::kRunning;
  }));
}

bool SimulatedCluster::IsRunning(const AttemptRef& attempt) const {
  const auto bars = planner_->Timeline(attempt.task.job);
  return std::any_of(bars.begin(), bars.end(), [&](const auto& bar) {
    return bar.attempt == attempt && bar.end == AttemptEnd::kRunning;
  });
}

void SimulatedCluster::CheckSlots() {
  for (const WorkerSnapshot& worker : planner_->Workers()) {
    if (worker.busy > worker.slots && worker.alive) {
      Violation(StrCat(Describe(worker.worker), " has ", worker.slots, " slots, and ", worker.busy,
                       " attempts hold one"));
    }
  }
}

void SimulatedCluster::CheckEnd() {
  if (!violations_.empty()) return;
  for (std::uint32_t j = 1; j <= options_.jobs; ++j) {
    const auto ended = ended_.find(JobId{j});
    if (ended == ended_.end()) {
      Violation(StrCat("job ", j, " never ended"));
    } else if (ended->second != JobState::kSucceeded) {
      Violation(StrCat("job ", j, " ", Name(ended->second)));
    }
    const Phase phase = options_.reduces > 0 ? Phase::kReduce : Phase::kMap;
    const std::uint32_t tasks = options_.reduces > 0 ? options_.reduces : options_.maps;
    for (std::uint32_t i = 0; i < tasks; ++i) {
      const TaskRef task{JobId{j}, phase, i};
      if (committed_[task] != 1 || renamed_.count(task) == 0) {
        Violation(StrCat(Describe(task), " was committed ", committed_[task], " times"));
      }
    }
  }
}

}  // namespace trireme::mapreduce::plan
