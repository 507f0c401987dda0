#include "cli/job_lists.h"

#include "cli/sizes.h"
#include "fmt/format.h"
#include "mapreduce/cluster/wire.h"
#include "nlohmann/json.hpp"

namespace trireme::cli {
namespace {

namespace v1 = mapreduce::v1;
using Json = nlohmann::ordered_json;

std::string StateName(v1::JobState state) {
  return mapreduce::plan::Name(mapreduce::cluster::FromWire(state));
}

Json PhaseValue(const v1::PhaseStatus& phase) {
  return {{"total", phase.total()},
          {"waiting", phase.waiting()},
          {"running", phase.running()},
          {"succeeded", phase.succeeded()},
          {"progress", phase.progress()}};
}

Json CountersValue(const v1::JobStatus& job) {
  Json groups = Json::object();
  for (const v1::Counter& counter : job.counters()) {
    groups[counter.group()][counter.name()] = counter.value();
  }
  return groups;
}

std::string WorkerName(std::uint64_t id) {
  return fmt::format("{:016x}", id);
}

Json RunningValue(const v1::JobStatus& job) {
  Json list = Json::array();
  for (const v1::RunningAttempt& running : job.running()) {
    list.push_back({{"task", running.attempt().task().reduce() ? "reduce" : "map"},
                    {"index", running.attempt().task().index()},
                    {"worker", WorkerName(running.worker())},
                    {"progress", running.progress()}});
  }
  return list;
}

Json JobValue(const v1::JobStatus& job) {
  const v1::JobStats& stats = job.stats();
  Json value = {{"job", job.job()},
                {"name", job.name()},
                {"state", StateName(job.state())},
                {"priority", job.priority()},
                {"maps", PhaseValue(job.maps())},
                {"reduces", PhaseValue(job.reduces())},
                {"attempts", stats.attempts()},
                {"failures", stats.failures()},
                {"killed", stats.killed()},
                {"backups", stats.backups()},
                {"backups_won", stats.backups_won()},
                {"outputs_lost", stats.outputs_lost()},
                {"skipped_records", stats.skipped_records()},
                {"input_bytes", job.input_bytes()},
                {"input_bytes_read", job.input_bytes_read()},
                {"map_output_bytes", stats.map_output_bytes()},
                {"output_bytes", stats.output_bytes()},
                {"output", job.output_directory()},
                {"elapsed_ms", job.elapsed_ms()},
                {"running", RunningValue(job)},
                {"counters", CountersValue(job)}};
  if (job.has_failure()) {
    value["failure"] = {{"message", job.failure().message()},
                        {"stderr_tail", job.failure().stderr_tail()}};
    if (job.failure().has_record()) {
      value["failure"]["file"] = job.failure().record().file();
      value["failure"]["offset"] = job.failure().record().offset();
    }
  }
  return value;
}

Json JobList(const v1::ListJobsReply& jobs) {
  Json list = Json::array();
  for (const v1::JobStatus& job : jobs.jobs()) list.push_back(JobValue(job));
  return list;
}

Json WorkerList(const v1::ListWorkersReply& workers) {
  Json list = Json::array();
  for (const v1::WorkerStatus& worker : workers.workers()) {
    list.push_back({{"worker", WorkerName(worker.worker().id())},
                    {"host", worker.host()},
                    {"shuffle", worker.shuffle_address()},
                    {"alive", worker.alive()},
                    {"slots", worker.slots()},
                    {"busy", worker.busy()},
                    {"speed", worker.speed()},
                    {"heard_ms_ago", worker.heard_ms_ago()}});
  }
  return list;
}

/// Names and messages come from users: what is not UTF-8 is replaced, not refused.
std::string Line(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string JobText(const v1::JobStatus& job) {
  std::string text = fmt::format(
      "job {} ({}): {} after {}\n  maps {}/{}, reduces {}/{}, {} of {} read\n  attempts {}, failed "
      "{}, killed {}, backups {}\n  output {}\n",
      job.job(), job.name(), StateName(job.state()), ShowSeconds(job.elapsed_ms()),
      job.maps().succeeded(), job.maps().total(), job.reduces().succeeded(), job.reduces().total(),
      ShowBytes(job.input_bytes_read()), ShowBytes(job.input_bytes()), job.stats().attempts(),
      job.stats().failures(), job.stats().killed(), job.stats().backups(), job.output_directory());
  if (job.has_failure()) {
    text += fmt::format("  {}\n{}", job.failure().message(), job.failure().stderr_tail());
    if (text.back() != '\n') text += '\n';
  }
  return text;
}

std::string JobsText(const v1::ListJobsReply& jobs) {
  std::string text = fmt::format("{:>6}  {:<20} {:<10} {:>8} {:>13} {:>13} {:>10}\n", "job", "name",
                                 "state", "priority", "maps", "reduces", "time");
  for (const v1::JobStatus& job : jobs.jobs()) {
    text += fmt::format("{:>6}  {:<20} {:<10} {:>8} {:>13} {:>13} {:>10}\n", job.job(), job.name(),
                        StateName(job.state()), job.priority(),
                        fmt::format("{}/{}", job.maps().succeeded(), job.maps().total()),
                        fmt::format("{}/{}", job.reduces().succeeded(), job.reduces().total()),
                        ShowSeconds(job.elapsed_ms()));
  }
  return text;
}

std::string ClusterText(const v1::ListJobsReply& jobs, const v1::ListWorkersReply& workers) {
  std::string text = JobsText(jobs) + fmt::format("\n{:<18}{:<28}{:>6} {:>6} {:>6}  {}\n", "worker",
                                                  "host", "alive", "busy", "slots", "shuffle");
  for (const v1::WorkerStatus& worker : workers.workers()) {
    text += fmt::format("{:<18}{:<28}{:>6} {:>6} {:>6}  {}\n", WorkerName(worker.worker().id()),
                        worker.host(), worker.alive() ? "yes" : "no", worker.busy(), worker.slots(),
                        worker.shuffle_address());
  }
  return text;
}

std::string CountersText(const v1::JobStatus& job) {
  std::string text, group;
  for (const v1::Counter& counter : job.counters()) {
    if (counter.group() != group) text += (group = counter.group()) + "\n";
    text += fmt::format("  {:<28} {:>20}\n", counter.name(), ShowCount(counter.value()));
  }
  return text;
}

std::string JobJson(const v1::JobStatus& job) {
  return Line(JobValue(job));
}
std::string JobsJson(const v1::ListJobsReply& jobs) {
  return Line(JobList(jobs));
}
std::string ClusterJson(const v1::ListJobsReply& jobs, const v1::ListWorkersReply& workers) {
  return Line({{"jobs", JobList(jobs)}, {"workers", WorkerList(workers)}});
}
std::string CountersJson(const v1::JobStatus& job) {
  return Line(CountersValue(job));
}

}  // namespace trireme::cli
