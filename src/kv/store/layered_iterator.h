#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "kv/model/ordered_store.h"
#include "kv/store/cow_tree.h"
#include "kv/store/rocks_files.h"

namespace trireme::kv::inline engine {

/// Trees over files, as one: of equal keys the newest layer's entry counts, and a tombstone hides.
class LayeredIterator {
 public:
  ~LayeredIterator();

  /// `newest` and `older` may be null. All of it must outlive the next call of this.
  void SetLayers(const CowTree::Node* newest, const CowTree::Node* older,
                 std::shared_ptr<const FilesState> files);

  /// To a later entry than the present one it costs little where that is near.
  void Seek(std::string_view from);
  void SeekWithin(std::string_view from, std::string_view prefix);
  void Next();
  bool Valid() const { return at_ != kNone; }
  std::string_view key() const;
  std::string_view value() const;
  [[nodiscard]] absl::Status status() const;

 private:
  enum Layer : int { kNewest, kOlder, kTrees, kFiles = kTrees, kNone };

  bool ValidIn(int layer) const;
  std::string_view KeyIn(int layer) const;
  void NextIn(int layer);
  void SeekForward(std::string_view from);
  void Settle();
  FilesCursor& Files();

  std::array<const CowTree::Node*, kTrees> roots_ = {};
  std::array<CowTree::Cursor, kTrees> trees_;
  std::shared_ptr<const FilesState> state_;
  std::unique_ptr<FilesCursor> files_;  ///< Of state_; taken with the first use.
  int at_ = kNone;
  bool in_step_ = false;  ///< Every layer stands on its first entry at or after the one at hand.
};

}  // namespace trireme::kv::inline engine
