#include "kv/store/layered_iterator.h"

#include <utility>

namespace trireme::kv::inline engine {

LayeredIterator::~LayeredIterator() {
  if (files_ != nullptr) state_->Give(std::move(files_));
}

void LayeredIterator::SetLayers(const Roots& roots, std::shared_ptr<const FilesState> files) {
  roots_ = roots;
  at_ = kNone;
  in_step_ = false;
  if (state_ == files) return;
  if (files_ != nullptr) state_->Give(std::move(files_));
  state_ = std::move(files);
}

FilesCursor& LayeredIterator::Files() {
  if (files_ == nullptr) files_ = state_->Take(shown_);
  return *files_;
}

bool LayeredIterator::ValidIn(std::size_t layer) const {
  if (layer == kFiles) return files_ != nullptr && files_->Valid();
  return roots_[layer] != nullptr && trees_[layer].Valid();
}

std::string_view LayeredIterator::KeyIn(std::size_t layer) const {
  return layer == kFiles ? files_->key() : trees_[layer].entry().key();
}

void LayeredIterator::NextIn(std::size_t layer) {
  layer == kFiles ? files_->Next() : trees_[layer].Next();
}

void LayeredIterator::Seek(std::string_view from) {
  if (in_step_ && Valid() && key() < from) return SeekForward(from);
  for (std::size_t i = 0; i < kTreesMax; ++i)
    if (roots_[i] != nullptr) trees_[i].Seek(roots_[i], from);
  Files().Seek(from);
  in_step_ = true;
  Settle();
}

/// Layers that are there already, or at their end, stay.
void LayeredIterator::SeekForward(std::string_view from) {
  for (std::size_t i = 0; i < kTreesMax; ++i)
    if (ValidIn(i) && KeyIn(i) < from) trees_[i].SeekForward(roots_[i], from);
  if (files_->Valid() && files_->key() < from) files_->SeekForward(from);
  Settle();
}

/// On from tombstones to the first entry that counts.
void LayeredIterator::Settle() {
  for (;;) {
    at_ = kNone;
    for (std::size_t layer = 0; layer <= kFiles; ++layer)
      if (ValidIn(layer) && (at_ == kNone || KeyIn(layer) < KeyIn(at_))) at_ = layer;
    if (at_ >= kFiles || !trees_[at_].entry().tombstone()) break;
    Step();
  }
  if (!status().ok()) at_ = kNone;
}

/// Layers below that have the same key move on with it.
void LayeredIterator::Step() {
  const std::string_view key = KeyIn(at_);
  for (std::size_t layer = at_ + 1; layer <= kFiles; ++layer)
    if (ValidIn(layer) && KeyIn(layer) == key) NextIn(layer);
  NextIn(at_);
}

void LayeredIterator::Next() {
  Step();
  Settle();
}

/// The newest layer that has an entry of the prefix has the first one (ordered_store.h).
void LayeredIterator::SeekWithin(std::string_view from, std::string_view prefix) {
  in_step_ = false;
  for (std::size_t i = 0; i < kTreesMax; ++i) {
    if (roots_[i] == nullptr) continue;
    trees_[i].Seek(roots_[i], from);
    if (!trees_[i].Valid() || !trees_[i].entry().key().starts_with(prefix)) continue;
    at_ = i;
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
  return at_ == kFiles ? files_->value() : trees_[at_].entry().value();
}

absl::Status LayeredIterator::status() const {
  return files_ == nullptr ? absl::OkStatus() : files_->status();
}

}  // namespace trireme::kv::inline engine
