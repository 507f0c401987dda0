#include "kv/store/memory_store.h"

#include <utility>

namespace trireme::kv::inline engine {

namespace {

/// Of the tree itself when `root` is null: then it finds the root anew at each seek.
class TreeIterator final : public StoreIterator {
 public:
  TreeIterator(const CowTree& tree, const CowTree::Node* root) : tree_(tree), root_(root) {}

  void Seek(std::string_view from) override {
    if (root_ != nullptr && valid_ && key() < from) {
      cursor_.SeekForward(root_, from);
    } else {
      cursor_.Seek(root_ != nullptr ? root_ : tree_.root(), from);
    }
    valid_ = cursor_.Valid();
  }
  void SeekWithin(std::string_view from, std::string_view prefix) override {
    Seek(from);
    valid_ = valid_ && key().starts_with(prefix);
  }
  void Next() override {
    cursor_.Next();
    valid_ = cursor_.Valid();
  }
  bool Valid() const override { return valid_; }
  std::string_view key() const override { return cursor_.entry().key(); }
  std::string_view value() const override { return cursor_.entry().value(); }
  absl::Status status() const override { return absl::OkStatus(); }

 private:
  const CowTree& tree_;
  const CowTree::Node* root_;
  CowTree::Cursor cursor_;
  bool valid_ = false;
};

}  // namespace

class MemoryStore::Frozen final : public StoreReader {
 public:
  explicit Frozen(const std::shared_ptr<SharedTree>& of) : of_(of), frozen_(of) {}
  std::unique_ptr<StoreIterator> NewIterator() const override {
    return std::make_unique<TreeIterator>(of_->tree(), frozen_.root());
  }

 private:
  std::shared_ptr<SharedTree> of_;
  FrozenTree frozen_;
};

MemoryStore::MemoryStore() : shared_(std::make_shared<SharedTree>(CowTree::Freeing::kOneByOne)) {}
MemoryStore::~MemoryStore() = default;

void MemoryStore::Put(std::string_view key, std::string_view value) {
  shared_->tree().Put(key, value);
  written_ = true;
}

void MemoryStore::Erase(std::string_view key) {
  shared_->tree().Erase(key);
  written_ = true;
}

absl::Status MemoryStore::Commit() {
  shared_->Reclaim();
  return absl::OkStatus();
}

std::unique_ptr<StoreIterator> MemoryStore::NewIterator() const {
  return std::make_unique<TreeIterator>(shared_->tree(), nullptr);
}

std::shared_ptr<const StoreReader> MemoryStore::Snapshot() {
  auto snapshot = written_ ? nullptr : last_.lock();
  if (snapshot == nullptr) {
    snapshot = std::make_shared<const Frozen>(shared_);
    last_ = snapshot;
    written_ = false;
  }
  return snapshot;
}

}  // namespace trireme::kv::inline engine
