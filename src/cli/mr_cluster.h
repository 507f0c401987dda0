#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/run_options.h"
#include "mapreduce/cluster/job_report.h"
#include "mapreduce/cluster/whereabouts.h"

/// The commands of the cluster mode: `trireme mr coordinator|worker|submit|...`.
namespace trireme::cli {

/// Whether `command` is one of them.
bool IsClusterCommand(const std::string& command);
/// Returns the exit status.
int RunClusterCommand(const std::string& command, std::vector<std::string> arguments);

/// Gives the job to the coordinator there, shows its progress and waits for its end.
/// `on_submitted` is called once it is accepted, and may be null.
[[nodiscard]] absl::StatusOr<mapreduce::JobReport> RunJobAt(
    const mapreduce::cluster::Whereabouts& where, const RunOptions& options,
    std::function<void(std::uint64_t)> on_submitted);

/// `trireme mr run --coordinator ADDR`.
int RunJobOnCluster(const RunOptions& options);

}  // namespace trireme::cli
