#pragma once

#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "mapreduce/cluster/kv_options.h"
#include "rpc/address.h"

namespace trireme::mapreduce::cluster {

/// How to find the coordinator: by its address, or as whoever leads by the word of a KV.
using Whereabouts = std::variant<rpc::Address, KvOptions>;

/// The address, or none until the KV has said one.
std::vector<rpc::Address> FirstAddresses(const Whereabouts& whereabouts);
/// For people: the address, or the KV's endpoints.
std::string Describe(const Whereabouts& whereabouts);
/// An address that lies in its direction: the coordinator's, or the KV's first endpoint.
[[nodiscard]] absl::StatusOr<rpc::Address> Towards(const Whereabouts& whereabouts);

}  // namespace trireme::mapreduce::cluster
