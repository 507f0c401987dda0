#pragma once

#include <variant>

#include "mapreduce/cluster/kv_options.h"
#include "rpc/address.h"

namespace trireme::mapreduce::cluster {

/// How to find the coordinator: by its address, or as whoever leads by the word of a KV.
using Whereabouts = std::variant<rpc::Address, KvOptions>;

}  // namespace trireme::mapreduce::cluster
