#include "kv/store/layered_iterator.h"

#include <utility>

namespace trireme::kv::inline engine {

LayeredIterator::~LayeredIterator() {
  if (files_ != nullptr) state_->Give(std::move(files_));
}

void LayeredIterator::SetLayers(const CowTree::Node* newest, const CowTree::Node* older,
                                std::shared_ptr<const FilesState> files) {
  roots_ = {newest, older};
  at_ = kNone;
  in_step_ = false;
  if (state_ == files) return;
  if (files_ != nullptr) state_->Give(std::move(files_));
  state_ = std::move(files);
}

FilesCursor& LayeredIterator::Files() {
  if (files_ == nullptr) files_ = state_->Take();
  return *files_;
}

bool LayeredIterator::ValidIn(int layer) const {
  if (layer == kFiles) return files_ != nullptr && files_->Valid();
  return roots_[static_cast<std::size_t>(layer)] != nullptr &&
         trees_[static_cast<std::size_t>(layer)].Valid();
}

std::string_view LayeredIterator::KeyIn(int layer) const {
  return layer == kFiles ? files_->key() : trees_[static_cast<std::size_t>(layer)].entry().key();
}

void LayeredIterator::NextIn(int layer) {
  layer == kFiles ? files_->Next() : trees_[static_cast<std::size_t>(layer)].Next();
}

void LayeredIterator::Seek(std::string_view from) {
  if (in_step_ && Valid() && key() < from) return SeekForward(from);
  for (std::size_t i = 0; i < kTrees; ++i)
    if (roots_[i] != nullptr) trees_[i].Seek(roots_[i], from);
  Files().Seek(from);
  in_step_ = true;
  Settle();
}

/// Layers that are there already, or at their end, stay.
void LayeredIterator::SeekForward(std::string_view from) {
  for (int layer = kNewest; layer < kTrees; ++layer) {
    const auto i = static_cast<std::size_t>(layer);
    if (ValidIn(layer) && KeyIn(layer) < from) trees_[i].SeekForward(roots_[i], from);
  }
  if (files_->Valid() && files_->key() < from) files_->SeekForward(from);
  Settle();
}

/// Stands on the first entry that counts.
void LayeredIterator::Settle() {
  for (;;) {
    at_ = kNone;
    for (int layer = kNewest; layer <= kFiles; ++layer)
      if (ValidIn(layer) && (at_ == kNone || KeyIn(layer) < KeyIn(at_))) at_ = layer;
    if (at_ == kNone || at_ == kFiles) break;
    if (!trees_[static_cast<std::size_t>(at_)].entry().tombstone()) break;
    Next();
    return;
  }
  if (!status().ok()) at_ = kNone;
}

/// Layers below that have the same key move on with it.
void LayeredIterator::Next() {
  const std::string_view key = KeyIn(at_);
  for (int layer = at_ + 1; layer <= kFiles; ++layer)
    if (ValidIn(layer) && KeyIn(layer) == key) NextIn(layer);
  NextIn(at_);
  Settle();
}

/// The newest layer that has an entry of the prefix has the first one (ordered_store.h).
void LayeredIterator::SeekWithin(std::string_view from, std::string_view prefix) {
  in_step_ = false;
  for (int layer = kNewest; layer < kTrees; ++layer) {
    const auto i = static_cast<std::size_t>(layer);
    if (roots_[i] == nullptr) continue;
    trees_[i].Seek(roots_[i], from);
    if (!trees_[i].Valid() || !trees_[i].entry().key().starts_with(prefix)) continue;
    at_ = layer;
    if (!trees_[i].entry().tombstone()) return;
    Seek(from);
    if (Valid() && !key().starts_with(prefix)) at_ = kNone;
    return;
  }
  Files().SeekWithin(from, prefix);
  at_ = files_->Valid() ? kFiles : kNone;
}

std::string_view LayeredIterator::key() const {
  return KeyIn(at_);
}
std::string_view LayeredIterator::value() const {
  return at_ == kFiles ? files_->value() : trees_[static_cast<std::size_t>(at_)].entry().value();
}

absl::Status LayeredIterator::status() const {
  return files_ == nullptr ? absl::OkStatus() : files_->status();
}

}  // namespace trireme::kv::inline engine
