#include "kv/store/shared_tree.h"

#include <utility>

namespace trireme::kv::inline engine {

FrozenTree::FrozenTree(std::shared_ptr<SharedTree> of)
    : of_(std::move(of)), root_(of_->tree_.root()), epoch_(of_->tree_.Freeze()) {
  const std::scoped_lock lock(of_->mutex_);
  of_->read_epochs_.insert(epoch_);
}

FrozenTree::~FrozenTree() {
  const std::scoped_lock lock(of_->mutex_);
  of_->read_epochs_.erase(of_->read_epochs_.find(epoch_));
}

/// A frozen root of epoch e sees what was retired in later epochs, so those up to the oldest go.
void SharedTree::Reclaim() {
  std::uint64_t oldest = tree_.epoch();
  {
    const std::scoped_lock lock(mutex_);
    if (!read_epochs_.empty()) oldest = *read_epochs_.begin();
  }
  tree_.Reclaim(oldest);
}

}  // namespace trireme::kv::inline engine
