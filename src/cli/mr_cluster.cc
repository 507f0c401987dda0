#include "cli/mr_cluster.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <utility>

#include "CLI/CLI.hpp"
#include "cli/cluster_flags.h"
#include "cli/flags.h"
#include "cli/interrupts.h"
#include "cli/job_lists.h"
#include "cli/mr_servers.h"
#include "cli/progress_bar.h"
#include "cli/run_command.h"
#include "cli/say.h"
#include "cli/show_report.h"
#include "cli/whereabouts_of.h"
#include "fmt/format.h"
#include "mapreduce/cluster/client.h"
#include "mapreduce/cluster/wire.h"
#include "mapreduce/fs/files.h"

namespace trireme::cli {
namespace {

namespace v1 = mapreduce::v1;
using mapreduce::cluster::Client;

/// What the commands that ask a coordinator have in common.
struct Question {
  ClusterFlags cluster;
  std::optional<std::uint64_t> job;
  bool json = false;
  bool quiet = false;
};

int ExitStatusOf(v1::JobState state) {
  switch (state) {
    case v1::JOB_STATE_FAILED:
      return kFailed;
    case v1::JOB_STATE_CANCELLED:
      return kInterrupted;
    default:
      return kDone;
  }
}

absl::StatusOr<std::unique_ptr<Client>> Connect(const ClusterFlags& cluster) {
  const auto where = WhereaboutsOf(cluster);
  if (!where.ok()) return where.status();
  return Client::Create(*where);
}

int Status(const Question& question, Client& client) {
  if (!question.job) {
    const auto jobs = client.Jobs();
    if (!jobs.ok()) return WrongUse(jobs.status());
    const auto workers = client.Workers();
    if (!workers.ok()) return WrongUse(workers.status());
    Say(stdout, "{}", question.json ? ClusterJson(*jobs, *workers) : ClusterText(*jobs, *workers));
    return kDone;
  }
  const auto status = client.Status(*question.job);
  if (!status.ok()) return WrongUse(status.status());
  Say(stdout, "{}", question.json ? JobJson(*status) : JobText(*status));
  return kDone;
}

int List(const Question& question, Client& client) {
  const auto jobs = client.Jobs();
  if (!jobs.ok()) return WrongUse(jobs.status());
  Say(stdout, "{}", question.json ? JobsJson(*jobs) : JobsText(*jobs));
  return kDone;
}

int Cancel(const Question& question, Client& client) {
  const auto status = client.Cancel(*question.job);
  if (!status.ok()) return WrongUse(status.status());
  if (question.json) Say(stdout, "{}", JobJson(*status));
  return kDone;
}

int Counters(const Question& question, Client& client) {
  const auto status = client.Status(*question.job);
  if (!status.ok()) return WrongUse(status.status());
  Say(stdout, "{}", question.json ? CountersJson(*status) : CountersText(*status));
  return kDone;
}

int Wait(const Question& question, Client& client) {
  ProgressBar bar(!question.quiet);
  const auto status = client.Follow(
      *question.job,
      [&bar](const v1::JobStatus& said) { bar.Show(mapreduce::cluster::ProgressOf(said)); },
      CatchInterrupts(), nullptr);
  bar.Clear();
  if (absl::IsCancelled(status.status())) return kInterrupted;
  if (!status.ok()) return WrongUse(status.status());
  if (question.json) Say(stdout, "{}", JobJson(*status));
  if (!question.json && !question.quiet) Say(stderr, "{}", JobText(*status));
  return ExitStatusOf(status->state());
}

struct Command {
  int (*run)(const Question&, Client&);
  const char* help;
  bool takes_job;
  bool needs_job;
};

const std::map<std::string, Command>& Commands() {
  static const auto* commands = new std::map<std::string, Command>{
      {"status", {Status, "shows a job, or all jobs and workers", true, false}},
      {"list", {List, "lists the jobs", false, false}},
      {"cancel", {Cancel, "cancels a job; its output is removed", true, true}},
      {"wait", {Wait, "follows a job to its end; exits as `mr run` would", true, true}},
      {"counters", {Counters, "shows a job's counters", true, true}},
  };
  return *commands;
}

int Ask(const std::string& name, const Command& command, std::vector<std::string> arguments) {
  Question question;
  CLI::App app(command.help, "trireme mr " + name);
  app.set_help_flag("-h,--help", "show this and exit");
  AddClusterFlags(app, &question.cluster,
                  "unix:/path or host:port (default: $TRIREME_COORDINATOR)");
  app.add_flag("--json", question.json, "for machines");
  if (name == "wait") app.add_flag("--quiet,-q", question.quiet, "show nothing");
  if (command.takes_job) {
    AddNumber(app, "JOB", "the job's number", 1, std::numeric_limits<std::int64_t>::max(),
              [&](auto n) { question.job = static_cast<std::uint64_t>(n); })
        ->required(command.needs_job);
  }
  if (const auto status = ParseArguments(app, std::move(arguments))) return *status;
  const auto client = Connect(question.cluster);
  if (!client.ok()) return WrongUse(client.status());
  return command.run(question, **client);
}

/// What only those who wait for the job's end could do.
absl::Status CheckSubmit(const RunOptions& options) {
  if (!options.report.empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "--report {}: `trireme mr submit` returns before there is a report; use `trireme mr run`, "
        "or the coordinator's page /jobs/N/report",
        options.report));
  }
  if (!options.quiet && !options.no_progress) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--quiet, --no-progress: `trireme mr submit` prints the job's number and nothing else; leave "
      "them out");
}

int Submit(std::vector<std::string> arguments) {
  auto parsed =
      ParseRun("trireme mr submit", JobSource::kSubmitted,
               "Submits a job to a coordinator and prints its number.", std::move(arguments));
  if (!parsed.ok()) return WrongUse(parsed.status());
  if (const auto* help = std::get_if<HelpAsked>(&*parsed)) {
    Say(stdout, "{}", help->text);
    return kDone;
  }
  const RunOptions& options = std::get<RunOptions>(*parsed);
  if (const auto fits = CheckSubmit(options); !fits.ok()) return WrongUse(fits);
  const auto client = Connect(options.cluster);
  if (!client.ok()) return WrongUse(client.status());
  mapreduce::Files files(options.s3);
  const auto prepared = mapreduce::PrepareJob(options.request, files);
  if (!prepared.ok()) return WrongUse(prepared.status());
  const auto job = (*client)->Submit(*prepared);
  if (!job.ok()) return WrongUse(job.status());
  options.json ? Say(stdout, "{{\"job\":{}}}\n", *job) : Say(stdout, "{}\n", *job);
  return kDone;
}

}  // namespace

bool IsClusterCommand(const std::string& command) {
  return command == "coordinator" || command == "worker" || command == "submit" ||
         Commands().contains(command);
}

int RunClusterCommand(const std::string& command, std::vector<std::string> arguments) {
  if (command == "coordinator") return RunCoordinator(std::move(arguments));
  if (command == "worker") return RunWorker(std::move(arguments));
  if (command == "submit") return FlushOutput(Submit(std::move(arguments)));
  return FlushOutput(Ask(command, Commands().at(command), std::move(arguments)));
}

absl::StatusOr<mapreduce::JobReport> RunJobAt(const mapreduce::cluster::Whereabouts& where,
                                              const RunOptions& options,
                                              std::function<void(std::uint64_t)> on_submitted) {
  mapreduce::Files files(options.s3);
  const auto prepared = mapreduce::PrepareJob(options.request, files);
  if (!prepared.ok()) return prepared.status();
  mapreduce::cluster::ClusterRunOptions cluster;
  cluster.coordinator = where;
  cluster.interrupts = CatchInterrupts();
  cluster.on_submitted = std::move(on_submitted);
  ProgressBar bar(!options.quiet && !options.no_progress);
  cluster.on_progress = [&bar](const mapreduce::JobProgress& progress) { bar.Show(progress); };
  cluster.on_trouble = [](const std::string& line) { Say(stderr, "trireme: {}\n", OneLine(line)); };
  auto report = mapreduce::cluster::RunOnCluster(*prepared, cluster);
  bar.Clear();
  return report;
}

int RunJobOnCluster(const RunOptions& options) {
  const auto where = WhereaboutsOf(options.cluster);
  if (!where.ok()) return WrongUse(where.status());
  const auto report = RunJobAt(*where, options, nullptr);
  if (!report.ok()) return WrongUse(report.status());
  return ShowReport(options, *report, ExitStatusOf(*report));
}

}  // namespace trireme::cli
