#pragma once

#include "cli/run_options.h"
#include "mapreduce/cluster/job_report.h"

namespace trireme::cli {

/// Shows a job that is over as `options` ask: a summary and counters on standard error, JSON on
/// standard output, the HTML page. Returns `exit_status`, or kFailed when the page cannot be
/// written.
int ShowReport(const RunOptions& options, const mapreduce::JobReport& report, int exit_status);

}  // namespace trireme::cli
