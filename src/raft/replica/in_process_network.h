#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include <trireme/raft/transport.h>

namespace trireme::raft {

/// For tests: Hosts of one process as if they were many, and links that break. An address is the
/// node's id in decimal. Outlives its transports.
class InProcessNetwork {
 public:
  /// What waits at a receiver from one sender; beyond it Send says no.
  explicit InProcessNetwork(std::size_t queue_bytes_max = 64u << 20)
      : queue_bytes_max_(queue_bytes_max) {}

  std::unique_ptr<Transport> MakeTransport(NodeId self);

  /// What is sent from one to the other gets lost from now on, or no more.
  void Cut(NodeId from, NodeId to);
  void Isolate(NodeId node);
  /// Every frame arrives twice from now on, which no transport does.
  void Repeat();
  void Heal();
  /// Whether `self`, which runs, has been told of `peer` and not to forget it.
  bool Knows(NodeId self, NodeId peer);

 private:
  class Endpoint;

  bool Deliver(NodeId from, NodeId to, SharedBytes frame);

  const std::size_t queue_bytes_max_;
  std::mutex mutex_;
  std::map<NodeId, Endpoint*> endpoints_;    // Guarded by mutex_.
  std::set<std::pair<NodeId, NodeId>> cut_;  // Guarded by mutex_.
  std::set<NodeId> isolated_;                // Guarded by mutex_.
  bool repeats_ = false;                     // Guarded by mutex_.
};

}  // namespace trireme::raft
