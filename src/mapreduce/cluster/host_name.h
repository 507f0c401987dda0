#pragma once

#include <string>

#include "rpc/address.h"

namespace trireme::mapreduce::cluster {

std::string HostName();
/// "host:pid", for people.
std::string ProcessName();
/// What others should connect to where a server is bound.
rpc::Address Advertised(rpc::Address bound);

}  // namespace trireme::mapreduce::cluster
