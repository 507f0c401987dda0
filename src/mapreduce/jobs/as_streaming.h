#pragma once

#include <trireme/mapreduce.h>

#include <cstdint>

/// A C++ job as the executables of somebody else's streaming: lines on standard input,
/// `key<TAB>value` lines on standard output, counters as reporter lines on standard error. So the
/// same job runs under Hadoop Streaming or Spark's `pipe`.
namespace trireme::mapreduce {

enum class StreamingRole : std::uint8_t { kMapper, kCombiner, kReducer };

/// Runs the role to the end of standard input. The job's parameters are the environment's
/// variables. Returns the exit status: 0, or 1 with a line on standard error.
int RunAsStreaming(const Job& job, StreamingRole role);

}  // namespace trireme::mapreduce
