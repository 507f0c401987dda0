#pragma once

#include <string>

#include "raft/core/types.h"
#include "sim/network.h"

/// Words for traces.
namespace trireme::sim {

std::string Name(Address address);                 ///< "n3", "c1"
std::string Describe(raft::LogPosition position);  ///< "17@4": index 17, term 4
std::string Describe(const raft::Configuration& configuration);
std::string Describe(const raft::Message& message);
std::string Describe(Address from, Address to, const Payload& payload);

}  // namespace trireme::sim
