#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trireme::raft::bench {

/// One process of the cluster: obeys the lines that come from `in` until they end, and answers each
/// with one to `out`.
void RunNode(int self, const std::vector<std::string>& addresses, const std::string& directory,
             std::uint64_t groups, int in, int out);

}  // namespace trireme::raft::bench
