#pragma once

#include <string>
#include <vector>

namespace trireme::cli {

/// `trireme sim ...`. Returns the exit status: kDone, kFailed when a world failed, kWrongUse.
int RunSim(std::vector<std::string> arguments);

}  // namespace trireme::cli
