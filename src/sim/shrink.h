#pragma once

#include <cstdint>
#include <functional>

#include "sim/options.h"
#include "sim/world.h"

namespace trireme::sim {

/// Runs a shrinking may cost.
inline constexpr std::uint64_t kShrinkRunsMax = 200;

struct Shrunk {
  Options options;
  RunResult result;  ///< Of a run with these options: still a violation.
  std::uint64_t runs = 0;
};

/// How a world of some options runs.
using RunWorld = std::function<RunResult(const Options& options)>;

/// A world that fails with fewer faults, fewer clients and in less time than `failing` does.
/// Greedy: leaves out whatever can be left out alone, until nothing can.
Shrunk Shrink(const Options& failing, const RunWorld& run);

}  // namespace trireme::sim
