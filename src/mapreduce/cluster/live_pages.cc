#include "mapreduce/cluster/live_pages.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "fmt/format.h"
#include "io/log.h"
#include "mapreduce/cluster/client.h"
#include "mapreduce/cluster/pages.h"
#include "mapreduce/cluster/report_html.h"

namespace trireme::mapreduce::cluster {
namespace {

constexpr std::chrono::milliseconds kTick{50};
constexpr std::chrono::seconds kSampleInterval{1};

/// "/jobs/7/report" is job 7 and "/report".
struct JobPath {
  std::uint64_t job = 0;
  std::string_view rest;
};
std::optional<JobPath> ParseJobPath(std::string_view path) {
  constexpr std::string_view kPrefix = "/jobs/";
  if (!path.starts_with(kPrefix)) return std::nullopt;
  path.remove_prefix(kPrefix.size());
  JobPath to;
  const auto [end, error] = std::from_chars(path.data(), path.data() + path.size(), to.job);
  if (error != std::errc() || to.job == 0) return std::nullopt;
  to.rest = path.substr(static_cast<std::size_t>(end - path.data()));
  return to;
}

void NoSuchPage(rpc::HttpResponder& to) {
  web::SendText(to, 404, "no such page; / lists the jobs\n");
}

}  // namespace

LivePages::LivePages(rpc::Server& http, const web::PageRules& rules, OnOwner on_owner)
    : rules_(rules), on_owner_(std::move(on_owner)) {
  io::KeepRecentLog(io::LogLevel::kInfo, kPageLogLinesKept);
  Register(http);
}

void LivePages::Start() {
  thread_ = std::thread([this] { Run(); });
}

void LivePages::Stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  overview_.Close();
  const std::lock_guard lock(mutex_);
  requests_.clear();
  jobs_.clear();
}

// ---- What is asked for

/// Answered on the pages' thread.
void LivePages::Get(rpc::Server& http, const std::string& path,
                    std::function<void(const rpc::HttpRequest&, const Responder&)> answer) {
  web::HandleGet(http, path, rules_,
                 [this, answer = std::move(answer)](const rpc::HttpRequest& request, Responder to) {
                   const std::lock_guard lock(mutex_);
                   if (stopping_ || requests_.size() >= kPageRequestsMax)
                     return web::SendText(*to, 503, "too many requests wait (kPageRequestsMax)\n");
                   requests_.push_back([answer, request, to] { answer(request, to); });
                   changed_.notify_all();
                 });
}

void LivePages::Register(rpc::Server& http) {
  Get(http, "/", [this](const auto& request, const auto& to) { ServeOverview(request, to); });
  Get(http, "/jobs/*", [this](const auto& request, const auto& to) { ServeJob(request, to); });
  const auto json = [&](const char* path, auto encode) {
    Get(http, path, [this, encode](const auto&, const Responder& to) {
      const auto overview = TakeOverview();
      if (overview) web::SendJson(*to, encode(*overview));
    });
  };
  json("/jobs.json", JobsJson);
  json("/workers.json", WorkersJson);
  Get(http, "/history.json",
      [this](const auto&, const Responder& to) { web::SendJson(*to, HistoryJson(history_)); });
  Get(http, "/log.json", [](const auto&, const Responder& to) {
    web::SendJson(*to, LogJson(io::RecentLog(kPageLogLinesKept)));
  });
  web::HandleGet(http, "/events", rules_, [this](const rpc::HttpRequest& request, Responder to) {
    overview_.Add(request, std::move(to));
    changed_.notify_all();
  });
  for (const char* name :
       {"base.css", "base.js", "chart.js", "mr.js", "mr_job.js", "mr_parts.js"}) {
    web::HandleGet(http, fmt::format("/web/{}", name), rules_,
                   [name](const auto&, const Responder& to) { web::SendAsset(*to, name); });
  }
  web::HandlePost(http, "/jobs/*", rules_, [this](const rpc::HttpRequest& request, Responder to) {
    const auto path = ParseJobPath(request.path);
    path && path->rest == "/cancel" ? Cancel(path->job, to) : NoSuchPage(*to);
  });
}

void LivePages::ServeOverview(const rpc::HttpRequest& request, const Responder& to) {
  if (request.path != "/") return NoSuchPage(*to);
  const auto overview = TakeOverview();
  if (overview) web::SendAsset(*to, "mr.html", OverviewText(*overview));
}

void LivePages::ServeJob(const rpc::HttpRequest& request, const Responder& to) {
  const auto path = ParseJobPath(request.path);
  if (!path) return NoSuchPage(*to);
  if (path->rest == "/events") {
    const std::lock_guard lock(mutex_);
    JobFeed& of = jobs_[path->job];
    if (of.feed == nullptr) of.feed = std::make_unique<web::EventFeed>(readers_);
    return of.feed->Add(request, to);
  }
  const auto timeline = TakeTimeline(path->job);
  if (absl::IsUnavailable(timeline.status())) {
    return web::SendText(*to, 503, fmt::format("{}\n", std::string(timeline.status().message())));
  }
  if (!timeline.ok()) {
    return web::SendText(*to, 404, fmt::format("job {} is not known here (any more)\n", path->job));
  }
  if (path->rest.empty()) return web::SendAsset(*to, "mr_job.html", JobText(*timeline));
  if (path->rest == ".json") return web::SendJson(*to, JobPageJson(*timeline, rules_.admin));
  if (path->rest != "/report") return NoSuchPage(*to);
  to->Reply({200, "text/html; charset=utf-8", ReportHtml(ReportOf(*timeline)),
             std::string(web::kStaticPageHeaders)});
}

void LivePages::Cancel(std::uint64_t job, const Responder& to) {
  const bool asked = on_owner_([job, to](Master* master, const ShownLeader& standby_of) {
    if (master == nullptr) {
      return web::SendText(*to, 503, StandbyText(standby_of) + "\n");
    }
    master->Cancel(plan::JobId{job}, [to](const absl::StatusOr<v1::JobStatus>& status) {
      if (status.ok()) return web::SendText(*to, 200, "cancelled\n");
      web::SendText(*to, 409, std::string(status.status().message()) + "\n");
    });
  });
  if (!asked) web::SendText(*to, 503, "the coordinator stops\n");
}

// ---- What is told

void LivePages::Run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, kTick, [this] { return stopping_ || !requests_.empty(); });
    auto requests = std::exchange(requests_, {});
    lock.unlock();
    for (const auto& request : requests) request();
    Tick(Clock::now());
    lock.lock();
  }
}

void LivePages::Tick(Clock::time_point now) {
  TellOverview(now);
  TellJobs(now);
}

/// A sample every second whether anybody looks or not, so that a page shows what was before it.
void LivePages::TellOverview(Clock::time_point now) {
  const bool sample = now >= sample_due_;
  if (sample || (overview_.wanted() && now >= overview_due_)) {
    const auto overview = TakeOverview();
    if (!overview) return;
    if (sample) {
      sample_due_ = std::max(sample_due_ + kSampleInterval, now);
      TakeSample(*overview);
    }
    overview_due_ =
        now + std::max<Clock::duration>(kPageOverviewIntervalMs, cost_ * kPageShareOfOwner);
    if (overview_.wanted())
      overview_.Set(OverviewJson(*overview, history_, io::RecentLog(kPageLogLinesMax)));
  }
  overview_.Pump(now);
}

void LivePages::TellJobs(Clock::time_point now) {
  std::vector<std::uint64_t> due;
  {
    const std::lock_guard lock(mutex_);
    for (auto& [job, of] : jobs_) of.feed->Pump(now);
    std::erase_if(jobs_, [](const auto& one) { return !one.second.feed->wanted(); });
    for (const auto& [job, of] : jobs_)
      if (now >= of.due) due.push_back(job);
  }
  for (const std::uint64_t job : due) {
    const auto timeline = TakeTimeline(job);
    std::string json = timeline.ok() ? JobPageJson(*timeline, rules_.admin) : NoJobJson(job);
    const std::lock_guard lock(mutex_);
    const auto found = jobs_.find(job);
    if (found == jobs_.end() || stopping_) continue;
    found->second.due =
        now + std::max<Clock::duration>(kPageJobIntervalMs, cost_ * kPageShareOfOwner);
    found->second.feed->Set(std::move(json));
    found->second.feed->Pump(now);
  }
}

void LivePages::TakeSample(const Overview& overview) {
  Seen sum;
  std::map<std::uint64_t, Seen> seen;
  for (const v1::JobStatus& job : overview.jobs.jobs()) {
    const Seen is = {job.input_bytes_read(), job.reduce_input_bytes(),
                     job.maps().succeeded() + job.reduces().succeeded()};
    const Seen was = seen_[job.job()];
    // Less than before: an attempt was given up, and its bytes with it.
    const auto grown = [](std::uint64_t now, std::uint64_t then) {
      return std::max(now, then) - then;
    };
    sum.map_bytes += grown(is.map_bytes, was.map_bytes);
    sum.reduce_bytes += grown(is.reduce_bytes, was.reduce_bytes);
    sum.tasks += grown(is.tasks, was.tasks);
    seen[job.job()] = is;
  }
  seen_ = std::move(seen);
  std::uint64_t slots = 0, busy = 0;
  for (const v1::WorkerStatus& worker : overview.workers.workers()) {
    if (worker.alive()) slots += worker.slots(), busy += worker.busy();
  }
  // What a restarted coordinator, or one that takes over, finds was not done in its first second.
  if (!std::exchange(sampled_, overview.standby_of.name.empty())) sum = {};
  history_.Add(UnixMs(), {static_cast<double>(sum.map_bytes), static_cast<double>(sum.reduce_bytes),
                          static_cast<double>(sum.tasks), static_cast<double>(busy),
                          static_cast<double>(slots)});
}

// ---- The owner's state

template <class Result>
std::optional<Result> LivePages::FromOwner(
    std::function<Result(Master*, const ShownLeader& standby_of)> read) {
  struct Answer {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<Result> result;
    Clock::duration cost{};
  };
  auto answer = std::make_shared<Answer>();
  const bool asked =
      on_owner_([answer, read = std::move(read)](Master* master, const ShownLeader& standby_of) {
        const auto began = Clock::now();
        Result result = read(master, standby_of);
        const std::lock_guard lock(answer->mutex);
        answer->cost = Clock::now() - began;
        answer->result = std::move(result);
        answer->changed.notify_all();
      });
  if (!asked) return std::nullopt;
  std::unique_lock lock(answer->mutex);
  while (!answer->result) {
    answer->changed.wait_for(lock, kTick);
    const std::lock_guard own(mutex_);
    if (stopping_) return std::nullopt;
  }
  cost_ = answer->cost;
  return std::move(answer->result);
}

std::optional<Overview> LivePages::TakeOverview() {
  auto taken = FromOwner<Overview>([](Master* leads, const ShownLeader& standby_of) {
    Overview overview;
    overview.standby_of = standby_of;
    if (leads == nullptr) return overview;
    Master& master = *leads;
    const std::vector<plan::JobId> ids = master.JobIds();
    overview.jobs_left_out = std::max(ids.size(), kPageJobsMax) - kPageJobsMax;
    for (std::size_t i = overview.jobs_left_out; i < ids.size(); ++i) {
      if (auto status = master.Status(ids[i]); status.ok())
        *overview.jobs.add_jobs() = *std::move(status);
    }
    overview.workers = master.Workers();
    overview.epoch = master.epoch();
    overview.journal_bytes = master.journal_bytes();
    return overview;
  });
  if (!taken) return std::nullopt;
  taken->admin = rules_.admin;
  taken->started_unix_ms = started_unix_ms_;
  return taken;
}

/// UNAVAILABLE: this one does not lead; with a line that says who does.
absl::StatusOr<v1::Timeline> LivePages::TakeTimeline(std::uint64_t job) {
  auto taken = FromOwner<absl::StatusOr<v1::Timeline>>(
      [job](Master* master, const ShownLeader& standby_of) -> absl::StatusOr<v1::Timeline> {
        if (master == nullptr) return absl::UnavailableError(StandbyText(standby_of));
        return master->Timeline(plan::JobId{job});
      });
  return taken ? *std::move(taken) : absl::CancelledError("the coordinator stops");
}

}  // namespace trireme::mapreduce::cluster
