#pragma once

#include "cli/run_options.h"
#include "mapreduce/cluster/job_report.h"

namespace trireme::cli {

/// Exit statuses of everything.
inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;
inline constexpr int kWrongUse = 2;
inline constexpr int kInterrupted = 130;  ///< as shells report SIGINT

/// Runs the job and shows it. Returns the exit status.
int RunJob(const RunOptions& options);

/// The exit status that tells of the job's end.
int ExitStatusOf(const mapreduce::JobReport& report);

/// One line on standard error; returns kWrongUse.
int WrongUse(const absl::Status& status);

}  // namespace trireme::cli
