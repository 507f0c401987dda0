#include <algorithm>
#include <map>
#include <utility>

#include "mapreduce/plan/state.h"

namespace trireme::mapreduce::plan {
namespace {

// Durations below this are mostly the clock's and the network's noise, not the worker's speed.
constexpr double kMeasurableMs = 50;
// Before as many tasks have finished nobody's speed is measured.
constexpr std::uint32_t kMeasuredFrom = 3;

}  // namespace

/// A running task that deserves a backup (section 3.6).
struct Planner::State::Straggler {
  double left_ms = 0;
  AttemptId id{};
  Job* job = nullptr;
  TaskRef task;
  std::uint32_t worker = kNone;
  bool operator<(const Straggler& other) const {
    return left_ms != other.left_ms ? left_ms > other.left_ms : id < other.id;
  }
};

/// How long a task of this phase takes: the median of those that finished or, while none has, what
/// the running ones' average progress rate promises. 0: unknown.
double Planner::State::UsualMs(const Job& job, Phase phase) const {
  const Durations& durations = job.tasks(phase).durations;
  if (durations.count() > 0) return std::max<double>(1, static_cast<double>(durations.Median()));
  double rates = 0;
  int running = 0;
  attempts_.ForEach([&](std::uint32_t, const RunningAttempt& attempt) {
    if (attempt.job != &job || !attempt.attached || attempt.ref.task.phase != phase) return;
    rates += attempt.progress / std::max<double>(1, static_cast<double>(now_ - attempt.start_ms));
    ++running;
  });
  return running >= 2 && rates > 0 ? running / rates : 0;
}

/// Backups for the tasks with the longest approximate time to end (LATE: Zaharia, Konwinski,
/// Joseph, Katz & Stoica, OSDI '08, section 4), where slots would else be idle.
void Planner::State::Speculate() {
  if (workers_.free().empty()) return;
  const double share = limits_.speculation_slots_share * static_cast<double>(workers_.slots());
  const auto cap = std::max(limits_.speculation_always, static_cast<std::uint32_t>(share));
  for (const Straggler& straggler : FindStragglers()) {
    if (workers_.free().empty() || backups_running_ >= cap) return;
    BackUp(straggler);
  }
}

std::vector<Planner::State::Straggler> Planner::State::FindStragglers() const {
  std::vector<Straggler> found;
  std::map<std::pair<std::uint64_t, Phase>, double> usual;
  attempts_.ForEach([&](std::uint32_t place, const RunningAttempt& attempt) {
    if (!attempt.attached || attempt.granted || !attempt.job->spec.backup_tasks) return;
    const TaskRef ref = attempt.ref.task;
    const PhaseTasks& tasks = attempt.job->tasks(ref.phase);
    const Task& task = tasks[ref.index];
    const auto elapsed_ms = static_cast<double>(now_ - attempt.start_ms);
    if (task.primary != place || task.backup != kNone ||
        now_ - attempt.start_ms < limits_.speculation_min_run_ms || attempt.job->Assignable()) {
      return;
    }
    auto [known, fresh] = usual.try_emplace({attempt.job->order, ref.phase}, 0);
    if (fresh) known->second = UsualMs(*attempt.job, ref.phase);
    const double usual_ms = known->second;
    if (usual_ms == 0 ||
        attempt.progress * usual_ms >= limits_.speculation_slow_rate * elapsed_ms) {
      return;
    }
    // One that never said how far it is will, as far as anyone knows, take as long again.
    const double left_ms =
        attempt.progress > 0 ? elapsed_ms * (1 - attempt.progress) / attempt.progress : elapsed_ms;
    if (left_ms <= limits_.speculation_gain * usual_ms) return;
    found.push_back({left_ms, attempt.ref.id, attempt.job, ref, attempt.worker});
  });
  std::sort(found.begin(), found.end());
  return found;
}

bool Planner::State::BackUp(const Straggler& straggler) {
  Job& job = *straggler.job;
  for (const auto& [slow, busy, worker] : workers_.free()) {
    if (slow) return false;  // they are the last ones
    if (worker == straggler.worker || IsBlacklisted(job, worker)) continue;
    if (!Accepts(job, straggler.task, worker)) continue;
    Assign(job, straggler.task, worker, AttemptKind::kBackup);
    return true;
  }
  return false;
}

/// Learns from an attempt that ends how its worker's speed compares to the others'.
void Planner::State::MeasureSpeed(const Job& job, const RunningAttempt& attempt) {
  const Durations& durations = job.tasks(attempt.ref.task.phase).durations;
  const TimeMs elapsed_ms = now_ - attempt.start_ms;
  if (durations.count() < kMeasuredFrom || attempt.progress <= 0) return;
  if (attempt.progress < 1 && elapsed_ms < limits_.speculation_min_run_ms) return;
  const double whole_ms = static_cast<double>(elapsed_ms) / attempt.progress;
  workers_.Measure(attempt.worker,
                   std::max(whole_ms, kMeasurableMs) /
                       std::max(static_cast<double>(durations.Median()), kMeasurableMs));
}

}  // namespace trireme::mapreduce::plan
