#pragma once

#include <memory>

#include "sim/options.h"
#include "sim/service.h"

namespace trireme::sim {

/// Options::Draw, but that a snapshot of the KV, which is no handful of bytes, does not travel in
/// chunks of 16, and that its clients have more time in the end.
Options DrawKvOptions(Options::Number seed);

/// The KV on the nodes, and its clients: docs/simulator.md, "The KV".
std::unique_ptr<Cast> MakeKvCast(Surroundings around);

}  // namespace trireme::sim
