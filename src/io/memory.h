#pragma once

#include <cstdint>
#include <string>

namespace trireme::io {

/// Bytes of memory that this process may count on: the machine's, or less when a control group that
/// it is in (version 1 or 2; a container's, a service's) has a limit. `root` is put before the
/// paths of the system's files, for tests.
std::uint64_t UsableMemoryBytes(const std::string& root = "");

}  // namespace trireme::io
