#pragma once

#include <string>
#include <vector>

namespace trireme::cli {

/// `trireme kv serve`: a member of a KV cluster, until SIGTERM. Returns the exit status.
int RunKvServe(std::vector<std::string> arguments);

}  // namespace trireme::cli
