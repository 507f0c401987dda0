#pragma once

#include <string>
#include <vector>

namespace trireme::cli {

/// `trireme raft ARGUMENTS...`. Returns the exit status.
int RunRaft(std::vector<std::string> arguments);

}  // namespace trireme::cli
