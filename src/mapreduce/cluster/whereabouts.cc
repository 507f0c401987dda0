#include "mapreduce/cluster/whereabouts.h"

#include <string_view>

#include "absl/strings/str_join.h"

namespace trireme::mapreduce::cluster {

std::vector<rpc::Address> FirstAddresses(const Whereabouts& whereabouts) {
  const auto* known = std::get_if<rpc::Address>(&whereabouts);
  return known == nullptr ? std::vector<rpc::Address>{} : std::vector{*known};
}

std::string Describe(const Whereabouts& whereabouts) {
  if (const auto* address = std::get_if<rpc::Address>(&whereabouts)) return address->ToString();
  return "the KV at " + absl::StrJoin(std::get<KvOptions>(whereabouts).client.endpoints, ",");
}

absl::StatusOr<rpc::Address> Towards(const Whereabouts& whereabouts) {
  if (const auto* address = std::get_if<rpc::Address>(&whereabouts)) return *address;
  std::string_view endpoint = std::get<KvOptions>(whereabouts).client.endpoints.front();
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (endpoint.starts_with(scheme)) endpoint.remove_prefix(scheme.size());
  }
  return rpc::ParseAddress(endpoint);
}

}  // namespace trireme::mapreduce::cluster
