#pragma once

#include "cli/run_options.h"

namespace trireme::cli {

/// `trireme mr run --on WHERE`: a coordinator in this process unless there is one already, workers
/// started for this job, and the job. Returns the exit status.
int RunJobOn(const RunOptions& options);

}  // namespace trireme::cli
