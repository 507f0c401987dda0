#include "mapreduce/cluster/pages.h"

#include <charconv>

#include "fmt/format.h"
#include "mapreduce/cluster/wire.h"

namespace trireme::mapreduce::cluster {
namespace {

constexpr std::string_view kHead =
    "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
    "content='width=device-width'><title>trireme mapreduce</title><style>"
    "body{font:14px/1.5 system-ui,sans-serif;margin:2rem;max-width:75rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .75rem;text-align:left;"
    "border-bottom:1px solid #ddd}td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "progress{width:8rem}a{color:#0645ad}pre{background:#f6f6f6;padding:1rem;overflow:auto}"
    "</style>";

std::string PhaseCell(const v1::PhaseStatus& phase) {
  return fmt::format("<td><progress value={:.3f}></progress> {}/{}", phase.progress(),
                     phase.succeeded(), phase.total());
}

std::string JobRow(const v1::JobStatus& job) {
  return fmt::format(
      "<tr><td class=n><a href='/jobs/{0}'>{0}</a><td>{1}<td>{2}<td class=n>{3}{4}{5}"
      "<td class=n>{6}<td class=n>{7:.1f}",
      job.job(), EscapeHtml(job.name()), StateName(job.state()), job.priority(),
      PhaseCell(job.maps()), PhaseCell(job.reduces()), job.stats().failures(),
      static_cast<double>(job.elapsed_ms()) / 1000);
}

std::string JobTable(const v1::ListJobsReply& jobs) {
  std::string html =
      "<table><tr><th>job<th>name<th>state<th>priority<th>maps<th>reduces<th>failures<th>seconds";
  for (int i = jobs.jobs_size(); i-- > 0;) html += JobRow(jobs.jobs(i));
  return html + "</table>";
}

std::string WorkerTable(const v1::ListWorkersReply& workers) {
  std::string html = "<table><tr><th>worker<th>host<th>shuffle<th>alive<th>busy<th>slots<th>speed";
  for (const v1::WorkerStatus& worker : workers.workers()) {
    html += fmt::format(
        "<tr><td>{:x}<td>{}<td>{}<td>{}<td class=n>{}<td class=n>{}<td class=n>{:.2f}",
        worker.worker().id(), EscapeHtml(worker.host()), EscapeHtml(worker.shuffle_address()),
        worker.alive() ? "yes" : "no", worker.busy(), worker.slots(), worker.speed());
  }
  return html + "</table>";
}

std::string AttemptRow(const v1::AttemptTrace& trace) {
  return fmt::format("<tr><td>{}-{}<td>{:x}<td>{:x}<td>{}<td>{}<td class=n>{:.3f}<td class=n>{}",
                     trace.attempt().task().reduce() ? "reduce" : "map",
                     trace.attempt().task().index(), trace.attempt().id(), trace.worker(),
                     trace.kind(), trace.end(), static_cast<double>(trace.start_ms()) / 1000,
                     trace.end_ms() == 0
                         ? std::string("&ndash;")
                         : fmt::format("{:.3f}", static_cast<double>(trace.end_ms()) / 1000));
}

std::string FailureText(const v1::JobStatus& job) {
  if (!job.has_failure()) return {};
  return fmt::format("<h2>Failure</h2><p>{}</p><pre>{}</pre>", EscapeHtml(job.failure().message()),
                     EscapeHtml(job.failure().stderr_tail()));
}

std::string CounterTable(const v1::JobStatus& job) {
  std::string html = "<h2>Counters</h2><table>";
  for (const v1::Counter& counter : job.counters()) {
    html += fmt::format("<tr><td>{}<td>{}<td class=n>{}", EscapeHtml(counter.group()),
                        EscapeHtml(counter.name()), counter.value());
  }
  return html + "</table>";
}

/// Attempts that a page lists; the rest is in the job's report.
constexpr int kAttemptsShownMax = 2000;

std::string AttemptTable(const v1::Timeline& timeline) {
  std::string html =
      "<h2>Attempts</h2><table><tr><th>task<th>attempt<th>worker<th>kind<th>end<th>from<th>to";
  const int shown = std::min(timeline.attempts_size(), kAttemptsShownMax);
  for (int i = 0; i < shown; ++i) html += AttemptRow(timeline.attempts(i));
  html += "</table>";
  if (shown < timeline.attempts_size()) {
    html += fmt::format("<p>and {} more</p>", timeline.attempts_size() - shown);
  }
  return html;
}

void Metric(std::string& to, std::string_view name, std::string_view type, std::string_view help,
            std::uint64_t value) {
  to += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n{0} {3}\n", name, type, help, value);
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string to;
  for (const char c : text) {
    switch (c) {
      case '&':
        to += "&amp;";
        break;
      case '<':
        to += "&lt;";
        break;
      case '>':
        to += "&gt;";
        break;
      case '"':
        to += "&quot;";
        break;
      case '\'':
        to += "&#39;";
        break;
      default:
        to += c;
    }
  }
  return to;
}

std::string StateName(v1::JobState state) {
  return plan::Name(FromWire(state));
}

std::optional<std::uint64_t> JobOfPath(std::string_view path) {
  constexpr std::string_view kPrefix = "/jobs/";
  if (!path.starts_with(kPrefix)) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  std::uint64_t job = 0;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), job);
  if (error != std::errc() || end != path.data() + path.size()) return std::nullopt;
  return job;
}

std::string OverviewPage(const v1::ListJobsReply& jobs, const v1::ListWorkersReply& workers) {
  return fmt::format(
      "{}<meta http-equiv=refresh content=2><h1>MapReduce</h1><h2>Jobs</h2>{}"
      "<h2>Workers</h2>{}",
      kHead, JobTable(jobs), WorkerTable(workers));
}

std::string JobPage(const v1::Timeline& timeline) {
  v1::ListJobsReply one;
  *one.add_jobs() = timeline.status();
  return fmt::format("{}<p><a href='/'>all jobs</a></p><h1>{}</h1>{}{}{}{}", kHead,
                     EscapeHtml(timeline.status().name()), JobTable(one),
                     FailureText(timeline.status()), CounterTable(timeline.status()),
                     AttemptTable(timeline));
}

std::string MetricsPage(const v1::ListJobsReply& jobs, const v1::ListWorkersReply& workers,
                        std::uint32_t epoch, std::uint64_t journal_bytes) {
  std::uint64_t running = 0, alive = 0, slots = 0, busy = 0, attempts = 0, failures = 0;
  for (const v1::JobStatus& job : jobs.jobs()) {
    running += job.state() < v1::JOB_STATE_SUCCEEDED;
    attempts += job.stats().attempts();
    failures += job.stats().failures();
  }
  for (const v1::WorkerStatus& worker : workers.workers()) {
    if (!worker.alive()) continue;
    ++alive;
    slots += worker.slots();
    busy += worker.busy();
  }
  std::string text;
  Metric(text, "trireme_mr_jobs_running", "gauge", "Jobs that have not ended.", running);
  Metric(text, "trireme_mr_jobs_remembered", "gauge", "Jobs that can be asked about.",
         static_cast<std::uint64_t>(jobs.jobs_size()));
  Metric(text, "trireme_mr_workers_alive", "gauge", "Workers with a lease.", alive);
  Metric(text, "trireme_mr_slots", "gauge", "Slots of those workers.", slots);
  Metric(text, "trireme_mr_slots_busy", "gauge", "Slots that run an attempt.", busy);
  Metric(text, "trireme_mr_attempts", "gauge", "Attempts of remembered jobs.", attempts);
  Metric(text, "trireme_mr_failures", "gauge", "Failed attempts of remembered jobs.", failures);
  Metric(text, "trireme_mr_epoch", "gauge", "Lives of this coordinator's state.", epoch);
  Metric(text, "trireme_mr_journal_bytes", "gauge", "Size of the journal.", journal_bytes);
  return text;
}

std::string LeadershipMetrics(const LeadershipFacts& facts) {
  std::string text;
  Metric(text, "trireme_mr_leader", "gauge",
         "1 while this coordinator leads, 0 while it stands by.", facts.leads ? 1 : 0);
  Metric(text, "trireme_mr_fence", "gauge", "Fence of its leadership; 0 while it stands by.",
         facts.fence);
  Metric(text, "trireme_mr_kv_writes_total", "counter",
         "Transactions of the journal that this process sent to the KV.", facts.kv_writes);
  Metric(text, "trireme_mr_failovers_total", "counter", "Times that this process took over.",
         facts.terms);
  return text;
}

}  // namespace trireme::mapreduce::cluster
