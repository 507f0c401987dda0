#pragma once

#include <string>
#include <vector>

namespace trireme::demo {

/// `trireme demo`: a job over a whole cluster of processes while they are killed. Returns the exit
/// status: 0 when everything came out right, 1 when not, 2 wrong use, 130 interrupted.
int RunDemo(std::vector<std::string> arguments);

}  // namespace trireme::demo
