#include "kv/store/flusher.h"

#include <pthread.h>

#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "kv/model/layout.h"

namespace trireme::kv::inline engine {

Flusher::Flusher(RocksFiles& files) : files_(files) {
  layers_.files = files_.State();
  thread_ = std::thread([this] { Run(); });
}

Flusher::~Flusher() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Flusher::SetDurableMeta(std::string meta) {
  const std::scoped_lock lock(mutex_);
  durable_meta_ = std::move(meta);
}

void Flusher::Start(std::shared_ptr<const FrozenTree> tree, std::int64_t drop_below) {
  {
    const std::scoped_lock lock(mutex_);
    TRIREME_CHECK(layers_.tree == nullptr);
    layers_.tree = std::move(tree);
    drop_below_ = drop_below;
    changed_ = true;
  }
  wake_.notify_one();
}

bool Flusher::busy() const {
  const std::scoped_lock lock(mutex_);
  return layers_.tree != nullptr;
}

absl::Status Flusher::status() const {
  const std::scoped_lock lock(mutex_);
  return status_.ok() ? files_.background_error() : status_;
}

absl::Status Flusher::Wait() {
  std::unique_lock lock(mutex_);
  done_.wait(lock, [this] { return layers_.tree == nullptr || !status_.ok(); });
  return status_;
}

Flusher::Layers Flusher::Current() {
  const std::scoped_lock lock(mutex_);
  changed_ = false;
  return layers_;
}

std::string Flusher::durable_meta() const {
  const std::scoped_lock lock(mutex_);
  return durable_meta_;
}

/// After a failure the tree stays what it is: readable, and not in the files.
void Flusher::Run() {
  ::pthread_setname_np(::pthread_self(), "kv-flush");
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || (layers_.tree != nullptr && status_.ok()); });
    if (layers_.tree == nullptr || !status_.ok()) return;
    const auto tree = layers_.tree;
    const std::int64_t drop_below = drop_below_;
    lock.unlock();
    const absl::Status status = WriteOne(*tree, drop_below);
    const auto files = status.ok() ? files_.State() : nullptr;
    CowTree::Cursor meta;
    meta.Seek(tree->root(), MetaKey());
    lock.lock();
    status_ = status;
    if (status.ok()) {
      if (meta.Valid() && meta.entry().key() == MetaKey()) durable_meta_ = meta.entry().value();
      layers_ = {nullptr, files};
      changed_ = true;
    }
    done_.notify_all();
  }
}

absl::Status Flusher::WriteOne(const FrozenTree& tree, std::int64_t drop_below) {
  TRIREME_RETURN_IF_ERROR(files_.Ingest(tree.root()));
  return files_.SetFloor(drop_below);
}

}  // namespace trireme::kv::inline engine
