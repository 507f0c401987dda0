#include "cli/run_command.h"

#include <unistd.h>

#include <cstdio>
#include <string>

#include "cli/interrupts.h"
#include "cli/mr_cluster.h"
#include "cli/mr_on.h"
#include "cli/progress_bar.h"
#include "cli/say.h"
#include "cli/show_report.h"
#include "cli/sizes.h"
#include "fmt/format.h"
#include "io/process.h"
#include "mapreduce/cluster/embedded.h"
#include "mapreduce/fs/files.h"

namespace trireme::cli {
int ExitStatusOf(const mapreduce::JobReport& report) {
  switch (report.state) {
    case mapreduce::plan::JobState::kSucceeded:
      return kDone;
    case mapreduce::plan::JobState::kCancelled:
      return kInterrupted;
    default:
      return kFailed;
  }
}

int WrongUse(const absl::Status& status) {
  Say(stderr, "trireme: {}\n", OneLine(status.message()));
  return kWrongUse;
}

int RunJob(const RunOptions& options) {
  io::RaiseFileLimit();
  if (const auto report = CheckReport(options); !report.ok()) return WrongUse(report);
  if (!options.on.target.empty()) return RunJobOn(options);
  if (options.cluster.given()) return RunJobOnCluster(options);
  if (const auto no_kv = CheckNoKv(options.cluster.kv); !no_kv.ok()) return WrongUse(no_kv);
  // For as long as the process: see EmbeddedOptions.
  static auto* const files = new mapreduce::Files(options.s3);
  mapreduce::EmbeddedOptions embedded;
  embedded.files = files;
  embedded.slots = options.slots;
  embedded.memory_bytes = options.memory_bytes;
  embedded.directory = options.directory;
  mapreduce::JobRequest request = options.request;
  request.one_machine = true;
  request.slot_memory_bytes = mapreduce::EmbeddedSlotMemory(embedded);
  auto prepared = mapreduce::PrepareJob(request, *files);
  if (!prepared.ok()) return WrongUse(prepared.status());
  ProgressBar bar(!options.quiet && !options.no_progress);
  embedded.interrupts = CatchInterrupts();
  embedded.on_progress = [&bar](const mapreduce::JobProgress& progress) { bar.Show(progress); };
  bool hung = false;
  auto report = mapreduce::RunEmbedded(*prepared, embedded, &hung);
  bar.Clear();
  if (!report.ok()) return WrongUse(report.status());
  const int status = ShowReport(options, *report, ExitStatusOf(*report));
  if (hung) ::_exit(status);  // a thread of user code never ends
  return status;
}

}  // namespace trireme::cli
