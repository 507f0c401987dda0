#include "mapreduce/cluster/pages_json.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "fmt/format.h"
#include "mapreduce/cluster/client.h"
#include "mapreduce/cluster/job_report.h"
#include "mapreduce/cluster/pages.h"

namespace trireme::mapreduce::cluster {
namespace {

using Json = nlohmann::json;

/// Names are bytes that anybody chose; what is not UTF-8 shows as U+FFFD.
std::string Text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string Hex(std::uint64_t id) {
  return fmt::format("{:x}", id);
}

double Rounded(double value) {
  return std::round(value * 1000) / 1000;
}

std::string TaskName(bool reduce, std::uint32_t index) {
  return fmt::format("{} {}", reduce ? "reduce" : "map", index);
}

Json PhaseOf(const v1::PhaseStatus& phase) {
  return {{"total", phase.total()},
          {"succeeded", phase.succeeded()},
          {"running", phase.running()},
          {"waiting", phase.waiting()},
          {"progress", Rounded(phase.progress())}};
}

Json JobOf(const v1::JobStatus& job) {
  return {{"job", job.job()},
          {"name", job.name()},
          {"state", StateName(job.state())},
          {"priority", job.priority()},
          {"maps", PhaseOf(job.maps())},
          {"reduces", PhaseOf(job.reduces())},
          {"attempts", job.stats().attempts()},
          {"failures", job.stats().failures()},
          {"backups", job.stats().backups()},
          {"backups_won", job.stats().backups_won()},
          {"running", job.running_size()},
          {"input_bytes", job.input_bytes()},
          {"input_bytes_read", job.input_bytes_read()},
          {"reduce_input_bytes", job.reduce_input_bytes()},
          {"output_bytes", job.stats().output_bytes()},
          {"submitted_unix_ms", job.submitted_unix_ms()},
          {"elapsed_ms", job.elapsed_ms()}};
}

/// The newest first.
Json JobList(const Overview& overview) {
  Json list = Json::array();
  for (int i = overview.jobs.jobs_size(); i-- > 0;) list.push_back(JobOf(overview.jobs.jobs(i)));
  return list;
}

/// What each worker runs, by its id.
std::map<std::uint64_t, Json> RunningByWorker(const v1::ListJobsReply& jobs) {
  std::map<std::uint64_t, Json> by_worker;
  for (const v1::JobStatus& job : jobs.jobs()) {
    for (const v1::RunningAttempt& one : job.running()) {
      Json& list = by_worker.try_emplace(one.worker(), Json::array()).first->second;
      if (list.size() >= kPageRunningMax) continue;
      list.push_back(
          {{"job", job.job()},
           {"task", TaskName(one.attempt().task().reduce(), one.attempt().task().index())},
           {"progress", Rounded(one.progress())}});
    }
  }
  return by_worker;
}

Json WorkerList(const Overview& overview) {
  std::vector<const v1::WorkerStatus*> order;
  for (const v1::WorkerStatus& worker : overview.workers.workers()) order.push_back(&worker);
  std::ranges::stable_sort(order, [](auto* a, auto* b) { return a->alive() > b->alive(); });
  order.resize(std::min(order.size(), kPageWorkersMax));
  auto running = RunningByWorker(overview.jobs);
  Json list = Json::array();
  for (const v1::WorkerStatus* worker : order) {
    const auto found = running.find(worker->worker().id());
    list.push_back({{"worker", Hex(worker->worker().id())},
                    {"host", worker->host()},
                    {"shuffle_address", worker->shuffle_address()},
                    {"alive", worker->alive()},
                    {"slots", worker->slots()},
                    {"busy", worker->busy()},
                    {"speed", Rounded(worker->speed())},
                    {"heard_ms_ago", worker->heard_ms_ago()},
                    {"running", found == running.end() ? Json::array() : found->second}});
  }
  return list;
}

Json SampleOf(const ClusterHistory::Sample& sample) {
  Json row = {sample.number, sample.unix_ms};
  for (const double value : sample.values) row.push_back(std::round(value));
  return row;
}

Json Samples(const ClusterHistory& history, std::size_t most) {
  const auto& samples = history.samples();
  Json list = Json::array();
  for (std::size_t i = samples.size() - std::min(most, samples.size()); i < samples.size(); ++i)
    list.push_back(SampleOf(samples[i]));
  return list;
}

Json LogOf(const std::vector<io::LogLine>& lines) {
  static constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};
  Json list = Json::array();
  for (const io::LogLine& line : lines)
    list.push_back({{"number", line.number},
                    {"unix_ms", line.unix_ms},
                    {"level", kNames[static_cast<std::size_t>(line.level)]},
                    {"text", line.text}});
  return list;
}

// ---- One job

/// Bits of a bar's flags.
enum : unsigned { kRunning = 1, kRetry = 2, kStraggler = 4, kFailed = 8 };

/// Encodes one job's timeline and what came of its attempts.
class JobEncoder {
 public:
  explicit JobEncoder(const v1::Timeline& timeline)
      : timeline_(timeline), report_(ReportOf(timeline)), roles_(RolesOf(report_)) {
    for (const v1::RunningAttempt& one : timeline.status().running())
      progress_[one.attempt().id()] = one.progress();
  }

  Json Timeline() const {
    const TimelineLayout layout = LayOutTimeline(report_, roles_, kPageTimeline);
    Json lanes = Json::array();
    for (const TimelineLane& lane : layout.lanes) {
      Json rows = Json::array();
      for (const auto& row : lane.rows) {
        Json bars = Json::array();
        for (const TimelineBar& bar : row) bars.push_back(BarOf(bar));
        rows.push_back(std::move(bars));
      }
      lanes.push_back({{"name", report_.lanes[lane.lane]}, {"rows", std::move(rows)}});
    }
    return {{"total_ms", report_.total_ms},
            {"maps_ms", report_.maps_ms},
            {"lanes", std::move(lanes)},
            {"lanes_left_out", layout.lanes_left_out},
            {"attempts_left_out", layout.attempts_left_out}};
  }

  Json BytesPerSecond() const {
    const Rates rates = RatesOf(report_);
    const auto rounded = [](const std::vector<double>& from) {
      Json list = Json::array();
      for (const double value : from) list.push_back(std::round(value));
      return list;
    };
    return {{"step_ms", Rounded(rates.step_ms)},
            {"map", rounded(rates.input)},
            {"reduce", rounded(rates.fetched)},
            {"output", rounded(rates.output)}};
  }

  Json Trouble(std::size_t* all) const {
    Json list = Json::array();
    auto tasks = TroubledTasks(report_, roles_, kPageTroubledMax, all);
    for (const TroubledTask& task : tasks) {
      Json attempts = Json::array();
      for (const std::size_t index : task.attempts) attempts.push_back(AttemptOf(index));
      list.push_back({{"task", TaskName(task.phase == plan::Phase::kReduce, task.index)},
                      {"attempts", std::move(attempts)}});
    }
    return list;
  }

  /// The ends of what the newest failed attempts said on standard error.
  Json Tails() const {
    Json list = Json::array();
    for (int i = timeline_.attempts_size(); i-- > 0 && list.size() < kPageTailsMax;) {
      const v1::AttemptTrace& trace = timeline_.attempts(i);
      if (trace.stderr_tail().empty()) continue;
      const ReportAttempt& a = report_.attempts[static_cast<std::size_t>(i)];
      list.push_back({{"task", TaskName(a.phase == plan::Phase::kReduce, a.index)},
                      {"attempt", a.number},
                      {"lane", report_.lanes[a.lane]},
                      {"at_ms", a.end_ms},
                      {"note", a.note},
                      {"stderr", trace.stderr_tail()}});
    }
    return list;
  }

 private:
  bool Runs(std::size_t index) const {
    return report_.attempts[index].end == plan::AttemptEnd::kRunning;
  }
  const v1::AttemptTrace& TraceOf(std::size_t index) const {
    return timeline_.attempts(static_cast<int>(index));
  }

  /// [start, end, look, attempts, flags, task, progress]; the last two of a single attempt only.
  Json BarOf(const TimelineBar& bar) const {
    static constexpr std::string_view kLooks[] = {"map", "reduce", "backup", "killed", "failed"};
    const ReportAttempt& first = report_.attempts[bar.first];
    const bool runs = bar.attempts == 1 && Runs(bar.first);
    const unsigned flags = (runs ? kRunning : 0u) | (bar.retries > 0 ? kRetry : 0u) |
                           (bar.stragglers > 0 ? kStraggler : 0u) | (bar.failed > 0 ? kFailed : 0u);
    Json row = {bar.start_ms, bar.end_ms, kLooks[static_cast<std::size_t>(bar.look)], bar.attempts,
                flags};
    if (bar.attempts > 1) return row;
    row.push_back(TaskName(first.phase == plan::Phase::kReduce, first.index));
    const auto found = progress_.find(TraceOf(bar.first).attempt().id());
    if (runs) row.push_back(found == progress_.end() ? 0 : Rounded(found->second));
    return row;
  }

  Json AttemptOf(std::size_t index) const {
    const ReportAttempt& a = report_.attempts[index];
    return {{"number", a.number},
            {"kind", a.kind == plan::AttemptKind::kBackup ? "backup"
                     : roles_[index].retry                ? "retry"
                     : roles_[index].straggler            ? "straggler"
                                                          : "first"},
            {"lane", report_.lanes[a.lane]},
            {"end", plan::Name(a.end)},
            {"start_ms", a.start_ms},
            {"end_ms", a.end_ms},
            {"note", a.note}};
  }

  const v1::Timeline& timeline_;
  const JobReport report_;
  const std::vector<AttemptRole> roles_;
  std::map<std::uint64_t, double> progress_;
};

Json CountersOf(const v1::JobStatus& status) {
  Json list = Json::array();
  for (const v1::Counter& counter : status.counters()) {
    if (list.size() == kPageCountersMax) break;
    list.push_back({counter.group(), counter.name(), counter.value()});
  }
  return list;
}

}  // namespace

std::string OverviewJson(const Overview& overview, const ClusterHistory& history,
                         const std::vector<io::LogLine>& log) {
  std::uint64_t slots = 0, busy = 0, alive = 0;
  for (const v1::WorkerStatus& worker : overview.workers.workers()) {
    if (!worker.alive()) continue;
    ++alive, slots += worker.slots(), busy += worker.busy();
  }
  return Text({{"kind", "overview"},
               {"coordinator",
                {{"role", overview.standby_of.name.empty() ? "leader" : "standby"},
                 {"standby_of", overview.standby_of.name},
                 {"leader_page", overview.standby_of.page},
                 {"epoch", overview.epoch},
                 {"journal_bytes", overview.journal_bytes},
                 {"started_unix_ms", overview.started_unix_ms},
                 {"admin", overview.admin}}},
               {"alive", alive},
               {"slots", slots},
               {"busy", busy},
               {"jobs", JobList(overview)},
               {"jobs_left_out", overview.jobs_left_out},
               {"workers", WorkerList(overview)},
               {"workers_left_out",
                std::max<std::size_t>(static_cast<std::size_t>(overview.workers.workers_size()),
                                      kPageWorkersMax) -
                    kPageWorkersMax},
               {"samples", Samples(history, web::kEventSamplesMax)},
               {"log", LogOf(log)}});
}

std::string JobsJson(const Overview& overview) {
  return Text({{"jobs", JobList(overview)}, {"jobs_left_out", overview.jobs_left_out}});
}

std::string WorkersJson(const Overview& overview) {
  return Text({{"workers", WorkerList(overview)}});
}

std::string HistoryJson(const ClusterHistory& history) {
  return Text({{"columns",
                {"number", "unix_ms", "map_bytes_per_second", "reduce_bytes_per_second",
                 "tasks_per_second", "slots_busy", "slots"}},
               {"samples", Samples(history, web::kHistorySamplesMax)}});
}

std::string LogJson(const std::vector<io::LogLine>& log) {
  return Text({{"log", LogOf(log)}});
}

std::string JobPageJson(const v1::Timeline& timeline, bool admin) {
  const JobEncoder encoder(timeline);
  const v1::JobStatus& status = timeline.status();
  std::size_t troubled = 0;
  Json job = JobOf(status);
  job["kind"] = "job";
  job["admin"] = admin;
  job["output"] = status.output_directory();
  job["ended"] = status.state() >= v1::JOB_STATE_SUCCEEDED;
  if (status.has_failure())
    job["failure"] = {{"message", status.failure().message()},
                      {"worker", status.failed_worker()},
                      {"stderr", status.failure().stderr_tail()}};
  job["counters"] = CountersOf(status);
  job["timeline"] = encoder.Timeline();
  job["bytes_per_second"] = encoder.BytesPerSecond();
  job["trouble"] = encoder.Trouble(&troubled);
  job["trouble_all"] = troubled;
  job["tails"] = encoder.Tails();
  return Text(job);
}

std::string NoJobJson(std::uint64_t job) {
  return Text({{"kind", "none"}, {"job", job}});
}

}  // namespace trireme::mapreduce::cluster
