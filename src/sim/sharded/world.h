#pragma once

#include "sim/options.h"
#include "sim/trace.h"
#include "sim/world.h"

namespace trireme::sim::sharded {

/// Options::Draw for several clusters of three servers: groups, controllers and what befalls them
/// are drawn too; the membership of the clusters stays, and no disk rots.
Options DrawOptions(Options::Number seed);

/// A sharded store, its clerks and controllers, with all faults at once; then, when these are over,
/// every change that was begun has to be finished, every clerk answered, and every shard served.
RunResult Run(const Options& options, Trace::Sink sink = nullptr);

}  // namespace trireme::sim::sharded
