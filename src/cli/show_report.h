#pragma once

#include "absl/status/status.h"
#include "cli/run_options.h"
#include "mapreduce/cluster/job_report.h"

namespace trireme::cli {

/// Refuses a `--report` that could not be written; asked before the job runs, not hours later. A
/// page below the output directory is let pass: that directory comes with the job.
[[nodiscard]] absl::Status CheckReport(const RunOptions& options);

/// Shows a job that is over as `options` ask: a summary and counters on standard error, JSON on
/// standard output, the HTML page. Returns `exit_status`, or kFailed when the page cannot be
/// written.
int ShowReport(const RunOptions& options, const mapreduce::JobReport& report, int exit_status);

}  // namespace trireme::cli
