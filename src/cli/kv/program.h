#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "io/process.h"

namespace trireme::kvcli {

/// A program that a watch or a lock runs: found as a shell would, with this process's environment
/// and `more` ("NAME=value"), its output where ours goes, nothing to read.
absl::StatusOr<io::Process> StartProgram(const std::vector<std::string>& words,
                                         const std::vector<std::string>& more);

/// "exit status 3", "signal: killed".
std::string DescribeEnd(const io::ExitStatus& status);

}  // namespace trireme::kvcli
