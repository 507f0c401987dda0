#pragma once

#include <string>
#include <vector>

#include "cli/run_options.h"

/// The commands of the cluster mode: `trireme mr coordinator|worker|submit|...`.
namespace trireme::cli {

/// Whether `command` is one of them.
bool IsClusterCommand(const std::string& command);
/// Returns the exit status.
int RunClusterCommand(const std::string& command, std::vector<std::string> arguments);

/// `trireme mr run --coordinator ADDR`.
int RunJobOnCluster(const RunOptions& options);

}  // namespace trireme::cli
