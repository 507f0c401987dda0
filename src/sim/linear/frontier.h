#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "sim/linear/pending_set.h"

namespace trireme::linear {

/// One way in which things may have gone so far: the object's state, and which of the open
/// operations have already taken effect in it.
template <typename State>
struct Configuration {
  State state;
  PendingSet done;
};

/// Configurations without those that another one makes superfluous. Of two with the same state that
/// differ only in *optional* operations (unknown outcome: may take effect later or never), the one
/// that has used fewer can do all that the other can, so it alone is kept. This is what keeps
/// hundreds of unknown outcomes affordable; for histories without any it is Lowe's memoisation of
/// configurations ("Testing for linearizability", 2017, section 4).
template <typename State>
class Frontier {
 public:
  /// False when a configuration that is here already does as well.
  bool Add(const Configuration<State>& added, const PendingSet& optional) {
    auto [entry, fresh] = heads_.try_emplace(Key{added.state, added.done.Without(optional)}, kEnd);
    for (std::size_t i = entry->second; i != kEnd; i = nodes_[i].next) {
      if (nodes_[i].superseded) continue;
      if (nodes_[i].configuration.done.IsSubsetOf(added.done)) return false;
      if (added.done.IsSubsetOf(nodes_[i].configuration.done)) {
        nodes_[i].superseded = true;
        --live_;
      }
    }
    nodes_.push_back({added, entry->second});
    entry->second = nodes_.size() - 1;
    ++live_;
    return true;
  }

  /// In the order of their addition; new ones may be added in between.
  std::size_t end() const { return nodes_.size(); }
  bool superseded(std::size_t i) const { return nodes_[i].superseded; }
  const Configuration<State>& operator[](std::size_t i) const { return nodes_[i].configuration; }

  std::size_t live() const { return live_; }
  void Clear() {
    heads_.clear();
    nodes_.clear();
    live_ = 0;
  }

 private:
  static constexpr std::size_t kEnd = static_cast<std::size_t>(-1);
  using Key = std::pair<State, PendingSet>;
  struct Node {
    Configuration<State> configuration;
    std::size_t next = kEnd;  ///< With the same key.
    bool superseded = false;
  };
  absl::flat_hash_map<Key, std::size_t> heads_;
  std::vector<Node> nodes_;
  std::size_t live_ = 0;
};

}  // namespace trireme::linear
