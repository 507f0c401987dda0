#include "mapreduce/cluster/coordinator_metrics.h"

#include <algorithm>
#include <utility>

#include "mapreduce/cluster/wire.h"
#include "mapreduce/plan/limits.h"

namespace trireme::mapreduce::cluster {
namespace {

using io::MetricsPage;

constexpr const char* kPhaseNames[] = {"map", "reduce"};
constexpr const char* kKindNames[] = {"normal", "retry", "backup"};
constexpr const char* kFailureNames[] = {"user_code", "input",    "fetch",    "killed",
                                         "timeout",   "internal", "bad_input"};
constexpr const char* kReasonNames[] = {"other_won", "job_over", "timeout", "preempted",
                                        "not_wanted"};
constexpr const char* kStateNames[] = {"mapping", "reducing", "succeeded", "failed", "cancelled"};

/// A value that another version sent is counted as the last one known.
template <class Array, class Value>
auto& At(Array& array, Value value) {
  return array[std::min(static_cast<std::size_t>(value), std::size(array) - 1)];
}

double Number(std::uint64_t value) {
  return static_cast<double>(value);
}

enum Health { kWell, kSlow, kLost };
constexpr const char* kHealthNames[] = {"well", "slow", "lost"};

Health HealthOf(const v1::WorkerStatus& worker) {
  if (!worker.alive()) return kLost;
  return worker.speed() < plan::Limits{}.slow_worker_speed ? kSlow : kWell;
}

void AppendJobStates(MetricsPage& page, const v1::ListJobsReply& jobs) {
  std::array<std::uint64_t, std::size(kStateNames)> states{};
  for (const v1::JobStatus& job : jobs.jobs()) ++At(states, job.state());
  page.Family("trireme_mr_jobs", "gauge", "Jobs that can be asked about, by state.");
  for (std::size_t i = 0; i < states.size(); ++i)
    page.Sample({{"state", kStateNames[i]}}, Number(states[i]));
}

void AppendTasks(MetricsPage& page, const v1::ListJobsReply& jobs) {
  std::array<std::array<std::uint64_t, 3>, 2> tasks{};
  for (const v1::JobStatus& job : jobs.jobs()) {
    if (job.state() >= v1::JOB_STATE_SUCCEEDED) continue;
    for (std::size_t phase = 0; phase < 2; ++phase) {
      const v1::PhaseStatus& counts = phase == 0 ? job.maps() : job.reduces();
      tasks[phase][0] += counts.waiting();
      tasks[phase][1] += counts.running();
      tasks[phase][2] += counts.succeeded();
    }
  }
  page.Family("trireme_mr_tasks", "gauge", "Tasks of jobs that have not ended.");
  for (std::size_t phase = 0; phase < 2; ++phase) {
    for (std::size_t i = 0; i < 3; ++i) {
      constexpr const char* kTaskStates[] = {"waiting", "running", "succeeded"};
      page.Sample({{"phase", kPhaseNames[phase]}, {"state", kTaskStates[i]}},
                  Number(tasks[phase][i]));
    }
  }
}

void AppendWorkers(MetricsPage& page, const v1::ListWorkersReply& workers) {
  std::array<std::uint64_t, std::size(kHealthNames)> health{};
  std::uint64_t slots = 0, busy = 0;
  for (const v1::WorkerStatus& worker : workers.workers()) {
    ++health[HealthOf(worker)];
    if (!worker.alive()) continue;
    slots += worker.slots();
    busy += worker.busy();
  }
  page.Family("trireme_mr_workers", "gauge",
              "Workers: with a lease and of usual speed, with a lease and slow, without one.");
  for (std::size_t i = 0; i < health.size(); ++i)
    page.Sample({{"health", kHealthNames[i]}}, Number(health[i]));
  page.Gauge("trireme_mr_slots", "Slots of workers with a lease.", Number(slots));
  page.Gauge("trireme_mr_slots_busy", "Slots that run an attempt.", Number(busy));
}

}  // namespace

// ---- Counting

void CoordinatorCounts::OfJobs::Add(const OfJobs& now, const OfJobs& first) {
  map_output_bytes += now.map_output_bytes - first.map_output_bytes;
  output_bytes += now.output_bytes - first.output_bytes;
  backups_won += now.backups_won - first.backups_won;
  outputs_lost += now.outputs_lost - first.outputs_lost;
  skipped_records += now.skipped_records - first.skipped_records;
}

void CoordinatorCounts::OnMessage(const v1::WorkerMessage& message) {
  switch (message.body_case()) {
    case v1::WorkerMessage::kRegister:
      ++workers_attached_;
      return;
    case v1::WorkerMessage::kSucceeded: {
      const bool reduce = message.succeeded().attempt().task().reduce();
      ++succeeded_[reduce ? 1 : 0];
      (reduce ? shuffle_bytes_ : input_bytes_) += message.succeeded().result().input_bytes();
      return;
    }
    case v1::WorkerMessage::kFailed:
      ++At(failed_[message.failed().attempt().task().reduce() ? 1 : 0], message.failed().kind());
      return;
    case v1::WorkerMessage::kFetchFailed:
      ++fetch_failures_;
      return;
    default:
      return;
  }
}

void CoordinatorCounts::OnAction(const plan::Action& action) {
  if (const auto* assigned = std::get_if<plan::AssignAttempt>(&action)) {
    ++At(At(started_, assigned->attempt.task.phase), assigned->kind);
  } else if (const auto* cancelled = std::get_if<plan::CancelAttempt>(&action)) {
    ++At(cancelled_, cancelled->reason);
  }
}

void CoordinatorCounts::OnRecord(const plan::JournalRecord& record) {
  if (std::holds_alternative<plan::JobAdmitted>(record)) {
    ++submitted_;
  } else if (const auto* ended = std::get_if<plan::JobEnded>(&record)) {
    ++At(ended_, ended->state);
  } else if (const auto* forgotten = std::get_if<plan::JobForgotten>(&record)) {
    const auto known = jobs_.extract(forgotten->job);
    if (!known.empty()) forgotten_.Add(known.mapped().now, known.mapped().first);
  }
}

void CoordinatorCounts::OnJournalWrite(std::size_t bytes) {
  ++journal_writes_;
  journal_bytes_ += bytes;
}

void CoordinatorCounts::See(plan::JobId job, const plan::JobStats& stats) {
  const OfJobs now = {stats.map_output_bytes, stats.output_bytes, stats.backups_won,
                      stats.outputs_lost, stats.skipped_records};
  const auto [known, is_new] = jobs_.try_emplace(job, Known{now, now});
  known->second.now = now;
}

CoordinatorCounts::OfJobs CoordinatorCounts::Total() const {
  OfJobs total = forgotten_;
  for (const auto& [job, known] : jobs_) total.Add(known.now, known.first);
  return total;
}

// ---- Showing

void CoordinatorCounts::AppendTo(MetricsPage& page) const {
  AppendAttempts(page);
  AppendJobs(page);
  AppendJournal(page);
}

void CoordinatorCounts::AppendAttempts(MetricsPage& page) const {
  page.Family("trireme_mr_attempts_started_total", "counter",
              "Attempts assigned: a task's first, again after another ended, beside a straggler.");
  for (std::size_t phase = 0; phase < kPhases; ++phase) {
    for (std::size_t kind = 0; kind < kKinds; ++kind)
      page.Sample({{"phase", kPhaseNames[phase]}, {"kind", kKindNames[kind]}},
                  Number(started_[phase][kind]));
  }
  page.Family("trireme_mr_attempts_succeeded_total", "counter", "Attempts whose work counts.");
  for (std::size_t phase = 0; phase < kPhases; ++phase)
    page.Sample({{"phase", kPhaseNames[phase]}}, Number(succeeded_[phase]));
  page.Family("trireme_mr_attempts_failed_total", "counter",
              "Attempts that their workers reported as failed, by what failed; killed ones failed "
              "for no fault of the task.");
  for (std::size_t phase = 0; phase < kPhases; ++phase) {
    for (std::size_t kind = 0; kind < kFailureKinds; ++kind)
      page.Sample({{"phase", kPhaseNames[phase]}, {"kind", kFailureNames[kind]}},
                  Number(failed_[phase][kind]));
  }
  page.Family("trireme_mr_attempts_cancelled_total", "counter",
              "Attempts that the coordinator stopped, by reason.");
  for (std::size_t reason = 0; reason < kReasons; ++reason)
    page.Sample({{"reason", kReasonNames[reason]}}, Number(cancelled_[reason]));
}

void CoordinatorCounts::AppendJobs(MetricsPage& page) const {
  const OfJobs total = Total();
  page.Counter("trireme_mr_jobs_submitted_total", "Jobs admitted.", Number(submitted_));
  page.Family("trireme_mr_jobs_ended_total", "counter", "Jobs that ended, and how.");
  for (std::size_t state = kStates - 3; state < kStates; ++state)
    page.Sample({{"state", kStateNames[state]}}, Number(ended_[state]));
  page.Family("trireme_mr_bytes_total", "counter",
              "Of tasks that succeeded: input that maps read, their output for reduces, what "
              "reduces fetched and merged, output of jobs.");
  page.Sample({{"phase", "input"}}, Number(input_bytes_));
  page.Sample({{"phase", "map_output"}}, Number(total.map_output_bytes));
  page.Sample({{"phase", "shuffle"}}, Number(shuffle_bytes_));
  page.Sample({{"phase", "output"}}, Number(total.output_bytes));
  page.Counter("trireme_mr_backups_won_total", "Backup attempts that finished first.",
               Number(total.backups_won));
  page.Counter("trireme_mr_map_outputs_lost_total", "Finished map tasks that must run again.",
               Number(total.outputs_lost));
  page.Counter("trireme_mr_skipped_records_total", "Records passed over by --skip-bad-records.",
               Number(total.skipped_records));
  page.Counter("trireme_mr_fetch_failures_total",
               "Reports of reduces that could not fetch a map output.", Number(fetch_failures_));
  page.Counter("trireme_mr_workers_attached_total", "Times that a worker attached.",
               Number(workers_attached_));
}

void CoordinatorCounts::AppendJournal(MetricsPage& page) const {
  page.Counter("trireme_mr_journal_writes_total", "Batches written to the journal.",
               Number(journal_writes_));
  page.Counter("trireme_mr_journal_written_bytes_total", "Their bytes.", Number(journal_bytes_));
  page.Counter("trireme_mr_journal_compactions_total", "Times that the journal was compacted.",
               Number(compactions_));
}

// ---- Times

void TurnTimes::End(Clock::time_point began) {
  const Clock::time_point now = Clock::now();
  turns_.Add(now - began);
  for (const Clock::time_point arrived : taken_up_) delays_.Add(now - arrived);
  taken_up_.clear();
}

void TurnTimes::AppendTo(MetricsPage& page) const {
  page.Durations("trireme_mr_turn_duration_seconds",
                 "Turns of the coordinator: events, the plan, the journal, orders.", turns_);
  page.Durations("trireme_mr_scheduling_delay_seconds",
                 "From a worker's message to the orders that follow from it.", delays_);
}

void AppendState(MetricsPage& page, const v1::ListJobsReply& jobs,
                 const v1::ListWorkersReply& workers) {
  AppendJobStates(page, jobs);
  AppendTasks(page, jobs);
  AppendWorkers(page, workers);
}

void AppendLeadership(io::MetricsPage& page, const LeadershipFacts& facts) {
  page.Gauge("trireme_mr_leader", "1 while this coordinator leads, 0 while it stands by.",
             facts.leads ? 1 : 0);
  page.Gauge("trireme_mr_fence", "Fence of its leadership; 0 while it stands by.",
             static_cast<double>(facts.fence));
  page.Counter("trireme_mr_kv_writes_total",
               "Transactions of the journal that this process sent to the KV.",
               static_cast<double>(facts.kv_writes));
  page.Counter("trireme_mr_failovers_total", "Times that this process began to lead.",
               static_cast<double>(facts.terms));
}

}  // namespace trireme::mapreduce::cluster
