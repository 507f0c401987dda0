#pragma once

#include <string>
#include <vector>

namespace trireme::kvcli {

/// `trireme kv ARGUMENTS...` but for `serve`: etcdctl's commands. Returns the exit status.
int Run(const std::vector<std::string>& arguments);

}  // namespace trireme::kvcli
