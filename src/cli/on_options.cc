#include "cli/on_options.h"

#include "CLI/CLI.hpp"
#include "cli/flags.h"

namespace trireme::cli {
namespace {
constexpr char kGroup[] = "Workers by Slurm or ssh";
}

void AddOnOptions(CLI::App& app, OnOptions* to) {
  app.add_option("--on", to->target,
                 "start workers for this job: slurm, slurm:OPTION=VALUE,..., ssh:HOST,HOST*SLOTS,"
                 "... or ssh:@FILE")
      ->type_name("WHERE")
      ->group(kGroup);
  app.add_option("--on-listen", to->listen,
                 "host:port where their coordinator listens (default: this machine's address, any "
                 "port)")
      ->type_name("ADDR")
      ->group(kGroup);
  AddNumber(app, "--workers", "by Slurm (default 4)", 1, kOnWorkersMax, [to](auto n) {
    to->workers = static_cast<std::uint32_t>(n);
  })->group(kGroup);
  app.add_option("--slurm-arg", to->slurm_arguments, "an argument more for sbatch; may be repeated")
      ->type_name("ARG")
      ->group(kGroup);
  app.add_option("--ssh-arg", to->ssh_arguments, "an argument more for ssh; may be repeated")
      ->type_name("ARG")
      ->group(kGroup);
  app.add_option("--remote-program", to->remote_program,
                 "this program's path on the workers' machines (default: as here)")
      ->type_name("PATH")
      ->group(kGroup);
  app.add_option("--worker-logs", to->logs,
                 "keep what the workers print there (default: DIR.workers beside the output, "
                 "removed when the job succeeds)")
      ->type_name("DIR")
      ->group(kGroup);
  AddTime(app, "--on-patience",
          "a worker leaves when its coordinator is gone so long (default 60s)", 1000,
          [to](auto ms) { to->patience_ms = ms; })
      ->group(kGroup);
}

}  // namespace trireme::cli
