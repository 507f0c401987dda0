#include <algorithm>
#include <map>

#include "fmt/format.h"
#include "sim/oracle.h"

namespace trireme::sim {
namespace {

/// A node applies each entry once in a life and in order, and after a crash has no less to start
/// from: its snapshot is none older, and its log holds all it had applied.
class AppliedNeverGoesBack final : public Oracle {
 public:
  void Starts(raft::NodeId node, const raft::Restored& restored) override {
    Node& n = nodes_[node];
    raft::Index last = restored.snapshot.last.index;
    if (last < n.snapshot) {
      Violation(fmt::format("node {} starts from a snapshot of {}, it had one of {}", node.value,
                            last.value, n.snapshot.value));
    }
    n.applied = last;
    if (!restored.entries.empty()) last = std::max(last, restored.entries.back().index);
    if (last < n.applied_ever) {
      Violation(fmt::format("node {} starts with a log up to {}, it had applied {}", node.value,
                            last.value, n.applied_ever.value));
    }
  }

  void Applies(raft::NodeId node, const raft::Entry& entry, raft::Term) override {
    Node& n = nodes_[node];
    if (entry.index != n.applied + 1) {
      Violation(fmt::format("node {} applies {} after {}", node.value, entry.index.value,
                            n.applied.value));
    }
    Advance(n, entry.index);
  }

  void Installs(raft::NodeId node, const raft::SnapshotMeta& meta) override {
    Node& n = nodes_[node];
    if (meta.last.index <= n.applied) {
      Violation(fmt::format("node {} goes back from {} to a snapshot of {}", node.value,
                            n.applied.value, meta.last.index.value));
    }
    Advance(n, meta.last.index);
    n.snapshot = std::max(n.snapshot, meta.last.index);
  }

  void Compacts(raft::NodeId node, raft::Index index) override {
    nodes_[node].snapshot = std::max(nodes_[node].snapshot, index);
  }

 private:
  struct Node {
    raft::Index applied;  ///< In this life.
    raft::Index applied_ever;
    raft::Index snapshot;
  };
  static void Advance(Node& n, raft::Index index) {
    n.applied = index;
    n.applied_ever = std::max(n.applied_ever, index);
  }

  std::map<raft::NodeId, Node> nodes_;
};

}  // namespace

std::unique_ptr<Oracle> MakeAppliedNeverGoesBack() {
  return std::make_unique<AppliedNeverGoesBack>();
}

}  // namespace trireme::sim
