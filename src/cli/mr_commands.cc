#include "cli/mr_commands.h"

#include <utility>

#include "cli/mr_cluster.h"
#include "cli/run_command.h"
#include "cli/run_options.h"
#include "cli/say.h"
#include "fmt/format.h"
#include "mapreduce/jobs/ready_jobs.h"

namespace trireme::cli {
namespace {

constexpr char kHelp[] =
    "trireme mr: MapReduce on this machine or on many\n"
    "\n"
    "  trireme mr run JOB --input PATH... --output DIR [options]\n"
    "      JOB: a ready job's name with its options, or --plugin FILE.so,\n"
    "      or --mapper CMD [--combiner CMD] --reducer CMD\n"
    "  trireme mr jobs             the ready jobs and their options\n"
    "  trireme mr coordinator      the coordinator of a cluster\n"
    "  trireme mr worker           a worker of it\n"
    "  trireme mr submit JOB ...   gives a job to a cluster (`mr run --coordinator` also waits)\n"
    "  trireme mr status|list|cancel|wait|counters\n"
    "\n"
    "`trireme mr run --help` lists the options.\n";

int Jobs() {
  for (const mapreduce::ReadyJob& job : mapreduce::ReadyJobs()) {
    Say(stdout, "{}\n    {}\n", job.name, job.description);
    for (const mapreduce::ReadyJobOption& option : job.options) {
      if (option.internal) continue;
      Say(stdout, "    --{:<20} {}{}{}\n", std::string(option.name) + (option.flag ? "" : " VALUE"),
          option.help, option.required ? " (required)" : "",
          option.otherwise.empty() ? "" : fmt::format(" (default {})", option.otherwise));
    }
  }
  return kDone;
}

int Run(std::vector<std::string> arguments) {
  auto parsed =
      ParseRun("trireme mr run", JobSource::kCommandLine, "Runs a job.", std::move(arguments));
  if (!parsed.ok()) return WrongUse(parsed.status());
  if (const auto* help = std::get_if<HelpAsked>(&*parsed)) {
    Say(stdout, "{}", help->text);
    return kDone;
  }
  return RunJob(std::get<RunOptions>(*parsed));
}

}  // namespace

int RunMr(std::vector<std::string> arguments) {
  if (arguments.empty() || arguments[0] == "help" || arguments[0] == "--help" ||
      arguments[0] == "-h") {
    Say(stdout, "{}", kHelp);
    return arguments.empty() ? kWrongUse : FlushOutput(kDone);
  }
  const std::string command = arguments[0];
  arguments.erase(arguments.begin());
  if (command == "run") return FlushOutput(Run(std::move(arguments)));
  if (IsClusterCommand(command)) return RunClusterCommand(command, std::move(arguments));
  if (command == "jobs") return FlushOutput(Jobs());
  return WrongUse(absl::InvalidArgumentError(
      fmt::format("unknown command 'mr {}': see `trireme mr help`", command)));
}

}  // namespace trireme::cli
