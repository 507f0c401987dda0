#pragma once

#include <memory>

#include "sim/mr/books.h"
#include "sim/options.h"
#include "sim/service.h"

namespace trireme::sim {

/// DrawKvOptions with as many clients as the jobs of that seed need, and time for them to end.
Options DrawMrOptions(Options::Number seed);

/// The KV on the nodes; coordinators, workers and a submitter as its clients: docs/simulator.md,
/// "MapReduce".
std::unique_ptr<Cast> MakeMrCast(Surroundings around);
/// The same with a bug.
std::unique_ptr<Cast> MakeMrCastWith(Surroundings around, MrBug bug);

}  // namespace trireme::sim
