#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kv/server/options.h"

namespace trireme::kv::inline engine {

/// As etcd derives a first member's id: of its peer URLs and the cluster's token.
std::uint64_t MemberIdOf(std::vector<std::string> peer_urls, const std::string& token);
/// As etcd derives it: of the first members' ids.
std::uint64_t ClusterIdOf(std::vector<std::uint64_t> member_ids);

}  // namespace trireme::kv::inline engine
