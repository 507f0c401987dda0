#include "mapreduce/cluster/pages.h"

#include <algorithm>

#include "fmt/format.h"
#include "mapreduce/cluster/wire.h"

namespace trireme::mapreduce::cluster {
namespace {

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

/// Attempts that the text lists; the rest is in the job's report.
constexpr int kAttemptsShownMax = 200;

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

std::string StandbyText(const ShownLeader& leader) {
  return fmt::format("this coordinator stands by; the leader is {}{}{}", leader.name,
                     leader.page.empty() ? "" : ", its pages are at ", leader.page);
}

std::string OverviewText(const Overview& overview) {
  const ShownLeader& leader = overview.standby_of;
  if (leader.name.empty()) {
    return fmt::format("<h2>Jobs</h2>{}<h2>Workers</h2>{}", JobTable(overview.jobs),
                       WorkerTable(overview.workers));
  }
  const std::string page = EscapeHtml(leader.page);
  return fmt::format("<p>This coordinator stands by. The leader is {}{}.</p>",
                     EscapeHtml(leader.name),
                     page.empty() ? std::string(", which has no pages")
                                  : fmt::format(": <a href=\"{0}\">{0}</a>", page));
}

std::string JobText(const v1::Timeline& timeline) {
  v1::ListJobsReply one;
  *one.add_jobs() = timeline.status();
  return fmt::format("<h2>{}</h2>{}{}{}{}", EscapeHtml(timeline.status().name()), JobTable(one),
                     FailureText(timeline.status()), CounterTable(timeline.status()),
                     AttemptTable(timeline));
}

}  // namespace trireme::mapreduce::cluster
