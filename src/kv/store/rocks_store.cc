#include "kv/store/rocks_store.h"

#include <atomic>
#include <utility>

#include "base/status_macros.h"
#include "kv/store/files_stream.h"
#include "kv/store/layered_iterator.h"

namespace trireme::kv::inline engine {
namespace {

std::shared_ptr<SharedTree> NewTree() {
  return std::make_shared<SharedTree>(CowTree::Freeing::kTogether);
}

/// Full trees that may wait to be written, beside the one that is being filled.
constexpr std::size_t kFullTreesMax = 2;
/// While the disk is full a tree may become so many times as large as one that is written.
constexpr std::uint64_t kFullDiskTrees = 4;
static_assert(kFullTreesMax < Flusher::kTreesMax, "one is for StartFlush");

LayeredIterator::Roots RootsOf(const CowTree::Node* active, const Flusher::Layers& below) {
  static_assert(LayeredIterator::kTreesMax == Flusher::kTreesMax + 1);
  LayeredIterator::Roots roots = {active};
  for (std::size_t i = 0; i < below.trees.size() && below.trees[i] != nullptr; ++i)
    roots[i + 1] = below.trees[i]->root();
  return roots;
}

class Iterator : public StoreIterator {
 public:
  explicit Iterator(std::unique_ptr<LayeredIterator> layers) : layers_(std::move(layers)) {}
  void Next() override { layers_->Next(); }
  bool Valid() const override { return layers_->Valid(); }
  std::string_view key() const override { return layers_->key(); }
  std::string_view value() const override { return layers_->value(); }
  absl::Status status() const override { return layers_->status(); }

 protected:
  std::unique_ptr<LayeredIterator> layers_;
};

}  // namespace

/// Shows what is pending: finds the layers anew at each seek, and the store lets go of them for it.
class RocksStore::Pending final : public Iterator {
 public:
  Pending(const RocksStore& store, Shown shown)
      : Iterator(std::make_unique<LayeredIterator>(shown)), store_(store) {
    store_.pending_.push_back(this);
  }
  ~Pending() override { std::erase(store_.pending_, this); }

  void Seek(std::string_view from) override {
    CatchUp();
    layers_->Seek(from);
  }
  void SeekWithin(std::string_view from, std::string_view prefix) override {
    CatchUp();
    layers_->SeekWithin(from, prefix);
  }
  void LetGo() { layers_->SetLayers({}, nullptr); }

 private:
  void CatchUp() {
    layers_->SetLayers(RootsOf(store_.active_->tree().root(), store_.below_), store_.below_.files);
  }

  const RocksStore& store_;
};

class RocksStore::Frozen final : public StoreReader {
 public:
  Frozen(std::shared_ptr<SharedTree> active, Flusher::Layers below, const Flusher& flusher)
      : active_(std::move(active)), below_(std::move(below)), flusher_(flusher) {}
  ~Frozen() override { delete idle_.load(); }

  std::unique_ptr<StoreIterator> NewIterator() const override {
    return std::make_unique<OfFrozen>(*this, Shown::kAll);
  }
  std::unique_ptr<StoreIterator> NewNewestIterator() const override {
    return std::make_unique<OfFrozen>(*this, Shown::kNewest);
  }
  bool Outdated() const override { return flusher_.changed(); }
  bool disk_full() const override { return flusher_.disk_full(); }

 private:
  class OfFrozen final : public Iterator {
   public:
    OfFrozen(const Frozen& of, Shown shown) : Iterator(of.Take(shown)), of_(of) {}
    ~OfFrozen() override { of_.Give(std::move(layers_)); }
    void Seek(std::string_view from) override { layers_->Seek(from); }
    void SeekWithin(std::string_view from, std::string_view prefix) override {
      layers_->SeekWithin(from, prefix);
    }

   private:
    const Frozen& of_;
  };

  std::unique_ptr<LayeredIterator> Take(Shown shown) const {
    if (shown == Shown::kNewest) {
      if (LayeredIterator* const idle = idle_.exchange(nullptr))
        return std::unique_ptr<LayeredIterator>(idle);
    }
    auto layers = std::make_unique<LayeredIterator>(shown);
    layers->SetLayers(RootsOf(active_.root(), below_), below_.files);
    return layers;
  }
  void Give(std::unique_ptr<LayeredIterator> layers) const {
    if (layers->shown() == Shown::kNewest) layers.reset(idle_.exchange(layers.release()));
  }

  FrozenTree active_;
  Flusher::Layers below_;
  const Flusher& flusher_;
  /// Of the newest, from a read to the next: it is large, and mostly one read runs at a time.
  mutable std::atomic<LayeredIterator*> idle_ = nullptr;
};

absl::StatusOr<std::unique_ptr<RocksStore>> RocksStore::Open(const std::string& directory,
                                                             const RocksStoreOptions& options) {
  TRIREME_ASSIGN_OR_RETURN(auto files, RocksFiles::Open(directory, options));
  return std::unique_ptr<RocksStore>(new RocksStore(std::move(files), options));
}

RocksStore::RocksStore(std::unique_ptr<RocksFiles> files, const RocksStoreOptions& options)
    : options_(options), files_(std::move(files)), active_(NewTree()), flusher_(*files_) {
  CatchUp();
}

RocksStore::~RocksStore() = default;

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
  for (Pending* iterator : pending_) iterator->LetGo();
  below_ = flusher_.Current();
}

void RocksStore::Rotate() {
  active_->Reclaim();
  flusher_.Start({std::make_shared<const FrozenTree>(active_), drop_below_, nullptr});
  told_ = drop_below_;
  active_ = NewTree();
  CatchUp();
}

absl::Status RocksStore::Commit() {
  TRIREME_RETURN_IF_ERROR(flusher_.status());
  active_->Reclaim();
  if (flusher_.changed()) CatchUp();
  const bool full = active_->tree().bytes() >= options_.overlay_bytes;
  if (full) {
    const absl::Status room = flusher_.WaitForRoom(kFullTreesMax - 1);
    // The tree grows on until the disk has room; who serves lets little come meanwhile.
    const bool may_grow = active_->tree().bytes() < options_.overlay_bytes * kFullDiskTrees;
    if (absl::IsResourceExhausted(room) && may_grow) return absl::OkStatus();
    TRIREME_RETURN_IF_ERROR(room);
  }
  // What a compaction made unreadable may go once the compaction is durable.
  if (full || (drop_below_ > told_ && flusher_.idle())) Rotate();
  return absl::OkStatus();
}

absl::Status RocksStore::Flush() {
  TRIREME_RETURN_IF_ERROR(StartFlush()());
  CatchUp();
  return absl::OkStatus();
}

FlushWait RocksStore::StartFlush() {
  if (active_->tree().size() > 0) {
    const absl::Status room = flusher_.WaitForRoom(Flusher::kTreesMax - 1);
    if (!room.ok()) return [room] { return room; };
    Rotate();
  }
  return [this, number = flusher_.last()] { return flusher_.WaitFor(number); };
}

std::function<absl::Status(const ByteSink&)> RocksStore::Capture() {
  (void)StartFlush();
  absl::Status room = flusher_.WaitForRoom(Flusher::kTreesMax - 1);
  if (room.ok() && active_->tree().size() > 0)
    room = absl::ResourceExhaustedError("the store could not begin to write what is in memory");
  if (!room.ok()) return [room](const ByteSink&) { return room; };
  auto files = std::make_shared<Checkpoint>();
  const std::uint64_t number = flusher_.Start({nullptr, drop_below_, files});
  return [this, number, files](const ByteSink& sink) -> absl::Status {
    TRIREME_RETURN_IF_ERROR(flusher_.WaitFor(number));
    TRIREME_RETURN_IF_ERROR(files->status);
    return WriteFiles(files->directory, sink);
  };
}

std::unique_ptr<StoreIterator> RocksStore::NewIterator() const {
  return std::make_unique<Pending>(*this, Shown::kAll);
}

std::unique_ptr<StoreIterator> RocksStore::NewNewestIterator() const {
  return std::make_unique<Pending>(*this, Shown::kNewest);
}

std::shared_ptr<const StoreReader> RocksStore::Snapshot() {
  if (flusher_.changed()) {
    CatchUp();
    written_ = true;
  }
  auto snapshot = written_ ? nullptr : last_.lock();
  if (snapshot == nullptr) {
    snapshot = std::make_shared<const Frozen>(active_, below_, flusher_);
    last_ = snapshot;
    written_ = false;
  }
  return snapshot;
}

}  // namespace trireme::kv::inline engine
