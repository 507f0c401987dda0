#include "kv/store/rocks_store.h"

#include <utility>

#include "base/status_macros.h"
#include "kv/model/layout.h"
#include "kv/store/layered_iterator.h"

namespace trireme::kv::inline engine {
namespace {

std::shared_ptr<SharedTree> NewTree() {
  return std::make_shared<SharedTree>(CowTree::Freeing::kTogether);
}

const CowTree::Node* RootOf(const std::shared_ptr<const FrozenTree>& tree) {
  return tree == nullptr ? nullptr : tree->root();
}

class Iterator : public StoreIterator {
 public:
  void Next() override { layers_.Next(); }
  bool Valid() const override { return layers_.Valid(); }
  std::string_view key() const override { return layers_.key(); }
  std::string_view value() const override { return layers_.value(); }
  absl::Status status() const override { return layers_.status(); }

 protected:
  LayeredIterator layers_;
};

}  // namespace

/// Shows what is pending: finds the layers anew at each seek.
class RocksStore::Pending final : public Iterator {
 public:
  explicit Pending(const RocksStore& store) : store_(store) {}

  void Seek(std::string_view from) override {
    CatchUp();
    layers_.Seek(from);
  }
  void SeekWithin(std::string_view from, std::string_view prefix) override {
    CatchUp();
    layers_.SeekWithin(from, prefix);
  }

 private:
  void CatchUp() {
    layers_.SetLayers(store_.active_->tree().root(), RootOf(store_.below_.tree),
                      store_.below_.files);
  }

  const RocksStore& store_;
};

class RocksStore::Frozen final : public StoreReader {
 public:
  Frozen(std::shared_ptr<SharedTree> active, Flusher::Layers below)
      : active_(std::move(active)), below_(std::move(below)) {}

  std::unique_ptr<StoreIterator> NewIterator() const override {
    return std::make_unique<OfFrozen>(*this);
  }

 private:
  class OfFrozen final : public Iterator {
   public:
    explicit OfFrozen(const Frozen& of) {
      layers_.SetLayers(of.active_.root(), RootOf(of.below_.tree), of.below_.files);
    }
    void Seek(std::string_view from) override { layers_.Seek(from); }
    void SeekWithin(std::string_view from, std::string_view prefix) override {
      layers_.SeekWithin(from, prefix);
    }
  };

  FrozenTree active_;
  Flusher::Layers below_;
};

absl::StatusOr<std::unique_ptr<RocksStore>> RocksStore::Open(const std::string& directory,
                                                             const RocksStoreOptions& options) {
  TRIREME_ASSIGN_OR_RETURN(auto files, RocksFiles::Open(directory, options));
  std::unique_ptr<RocksStore> store(new RocksStore(std::move(files), options));
  TRIREME_RETURN_IF_ERROR(store->LoadDurable());
  return store;
}

RocksStore::RocksStore(std::unique_ptr<RocksFiles> files, const RocksStoreOptions& options)
    : options_(options), files_(std::move(files)), active_(NewTree()), flusher_(*files_) {
  CatchUp();
}

RocksStore::~RocksStore() = default;

absl::Status RocksStore::LoadDurable() {
  const auto iterator = NewIterator();
  iterator->Seek(MetaKey());
  TRIREME_RETURN_IF_ERROR(iterator->status());
  if (iterator->Valid() && iterator->key() == MetaKey())
    flusher_.SetDurableMeta(std::string(iterator->value()));
  return absl::OkStatus();
}

void RocksStore::Put(std::string_view key, std::string_view value) {
  active_->tree().Put(key, value);
  written_ = true;
}

void RocksStore::Erase(std::string_view key) {
  active_->tree().PutTombstone(key);
  written_ = true;
}

bool RocksStore::DropBelow(std::int64_t revision) {
  drop_below_ = revision;
  return true;
}

void RocksStore::CatchUp() {
  below_ = flusher_.Current();
}

void RocksStore::Rotate() {
  active_->Reclaim();
  flusher_.Start(std::make_shared<const FrozenTree>(active_), drop_below_);
  active_ = NewTree();
  start_flush_ = false;
  CatchUp();
}

absl::Status RocksStore::Commit() {
  TRIREME_RETURN_IF_ERROR(flusher_.status());
  active_->Reclaim();
  if (flusher_.changed()) CatchUp();
  const bool full = active_->tree().bytes() >= options_.overlay_bytes;
  if (!full && !start_flush_) return absl::OkStatus();
  if (flusher_.busy()) {
    if (!full) return absl::OkStatus();
    TRIREME_RETURN_IF_ERROR(flusher_.Wait());
  }
  Rotate();
  return absl::OkStatus();
}

absl::Status RocksStore::Flush() {
  TRIREME_RETURN_IF_ERROR(flusher_.Wait());
  if (active_->tree().size() > 0) Rotate();
  TRIREME_RETURN_IF_ERROR(flusher_.Wait());
  CatchUp();
  return absl::OkStatus();
}

void RocksStore::StartFlush() {
  if (active_->tree().size() == 0) return;
  if (flusher_.busy()) {
    start_flush_ = true;
  } else {
    Rotate();
  }
}

std::unique_ptr<StoreIterator> RocksStore::NewIterator() const {
  return std::make_unique<Pending>(*this);
}

std::shared_ptr<const StoreReader> RocksStore::Snapshot() {
  if (flusher_.changed()) {
    CatchUp();
    written_ = true;
  }
  auto snapshot = written_ ? nullptr : last_.lock();
  if (snapshot == nullptr) {
    snapshot = std::make_shared<const Frozen>(active_, below_);
    last_ = snapshot;
    written_ = false;
  }
  return snapshot;
}

}  // namespace trireme::kv::inline engine
