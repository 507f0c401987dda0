#pragma once

#include <string>
#include <vector>

namespace trireme::cli {

/// `trireme mr ARGUMENTS...`. Returns the exit status.
int RunMr(std::vector<std::string> arguments);

}  // namespace trireme::cli
