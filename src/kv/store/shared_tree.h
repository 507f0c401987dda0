#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>

#include "kv/store/cow_tree.h"

namespace trireme::kv::inline engine {

class SharedTree;

/// A tree as it was at a moment, for any thread. Holds the tree.
class FrozenTree {
 public:
  explicit FrozenTree(std::shared_ptr<SharedTree> of);
  ~FrozenTree();
  FrozenTree(const FrozenTree&) = delete;
  FrozenTree& operator=(const FrozenTree&) = delete;

  const CowTree::Node* root() const { return root_; }

 private:
  std::shared_ptr<SharedTree> of_;
  const CowTree::Node* root_;
  std::uint64_t epoch_;
};

/// A tree that one thread writes and many read.
class SharedTree {
 public:
  explicit SharedTree(CowTree::Freeing freeing) : tree_(freeing) {}

  /// For the thread that writes; others may call nothing of it.
  CowTree& tree() { return tree_; }
  /// Frees what no FrozenTree sees. By the thread that writes.
  void Reclaim();

 private:
  friend class FrozenTree;

  CowTree tree_;
  std::mutex mutex_;
  std::multiset<std::uint64_t> read_epochs_;  ///< Of the FrozenTrees there are.
};

}  // namespace trireme::kv::inline engine
