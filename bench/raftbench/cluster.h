#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "raftbench/load.h"

namespace trireme::raft::bench {

struct ClusterOptions {
  std::string directory;  ///< Empty: logs in memory.
  std::uint64_t groups = 1;
};

/// Sums over three nodes, since they began.
struct Usage {
  double cpu_seconds = 0;          ///< Of the three processes.
  double machine_seconds = 0;      ///< Of the whole machine.
  std::uint64_t copied_bytes = 0;  ///< By the three processes, not by the kernel.
  std::uint64_t syncs = 0;         ///< Of the first node.
  std::uint64_t written = 0;       ///< Entries, by the first node.
};

/// Three processes, each with a Host, on loopback. The first leads all groups.
class Cluster {
 public:
  static constexpr int kNodes = 3;

  explicit Cluster(const ClusterOptions& options);
  ~Cluster();

  /// On the leader.
  LoadResult Run(std::size_t entry_bytes, std::uint64_t in_flight, double seconds,
                 std::uint64_t entries_max = UINT64_MAX);
  Usage Used();
  ::pid_t process(int node) const { return nodes_[static_cast<std::size_t>(node)].process; }
  void Kill(int node);
  /// Entries applied by a node's first group.
  std::uint64_t Applied(int node);
  /// Of the survivors, one leads.
  bool SomebodyLeads();

 private:
  struct Node {
    ::pid_t process = 0;
    int to = -1;    // Commands, a line each.
    int from = -1;  // As many answers.
  };
  std::string Ask(const Node& node, const std::string& command);

  std::vector<Node> nodes_;
};

}  // namespace trireme::raft::bench
