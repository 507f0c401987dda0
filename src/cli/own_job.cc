#include <trireme/mapreduce.h>

#include <map>
#include <string>
#include <vector>

#include "cli/mr_commands.h"
#include "cli/mr_servers.h"
#include "cli/run_command.h"
#include "cli/run_options.h"
#include "cli/say.h"
#include "fmt/format.h"
#include "io/process.h"
#include "mapreduce/cluster/job_code.h"
#include "mapreduce/cluster/slot_process.h"
#include "mapreduce/jobs/as_streaming.h"

namespace trireme::mapreduce {
namespace {

constexpr char kWays[] =
    "\n"
    "Ways to run it:\n"
    "  PROGRAM --input PATH... --output DIR       here, on all cores\n"
    "  PROGRAM ... --coordinator ADDR             on a cluster that can read this program's file\n"
    "  PROGRAM ... --on slurm|ssh:HOSTS           on workers that are started for it\n"
    "  PROGRAM --as-worker [options]              as `trireme mr worker`\n"
    "  PROGRAM --as-mapper|--as-combiner|--as-reducer\n"
    "                                             as a streaming executable: lines in,\n"
    "                                             key<TAB>value lines out (Hadoop, Spark's pipe)\n";

int Run(const std::string& program, const Job& job, std::vector<std::string> arguments) {
  const std::string description =
      fmt::format("{}{}{}", job.name, job.description.empty() ? "" : ": ", job.description);
  auto parsed = cli::ParseRun(program, cli::JobSource::kOwn, description, std::move(arguments));
  if (!parsed.ok()) return cli::WrongUse(parsed.status());
  if (const auto* help = std::get_if<cli::HelpAsked>(&*parsed)) {
    cli::Say(stdout, "{}{}", help->text, kWays);
    return cli::FlushOutput(cli::kDone);
  }
  return cli::RunJob(std::get<cli::RunOptions>(*parsed));
}

}  // namespace

int Main(int argc, char** argv, const Job& job) {
  io::OpenStandardStreams();
  SetOwnJob(&job);
  MaybeRunSlotProcess(argc, argv);
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (!arguments.empty() && arguments[0] == "--as-worker")
    return cli::RunWorker({arguments.begin() + 1, arguments.end()});
  static const std::map<std::string, StreamingRole> kRoles = {
      {"--as-mapper", StreamingRole::kMapper},
      {"--as-combiner", StreamingRole::kCombiner},
      {"--as-reducer", StreamingRole::kReducer}};
  for (const std::string& argument : arguments) {
    const auto role = kRoles.find(argument);
    if (role == kRoles.end()) continue;
    if (arguments.size() == 1) return RunAsStreaming(job, role->second);
    return cli::WrongUse(absl::InvalidArgumentError(fmt::format(
        "{} goes alone: give one of --as-mapper, --as-combiner, --as-reducer, and no other "
        "argument",
        argument)));
  }
  return Run(argc > 0 ? argv[0] : "job", job, std::move(arguments));
}

}  // namespace trireme::mapreduce
