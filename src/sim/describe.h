#pragma once

#include <string>

#include "raft/core/describe.h"
#include "sim/network.h"

/// Words for traces.
namespace trireme::sim {

using raft::Describe;

std::string Name(Address address);  ///< "n3", "c1"
std::string Describe(Address from, Address to, const Payload& payload);

}  // namespace trireme::sim
