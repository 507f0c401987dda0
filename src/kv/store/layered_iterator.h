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
  static constexpr std::size_t kTreesMax = 4;
  /// Newest first; null: no tree.
  using Roots = std::array<const CowTree::Node*, kTreesMax>;

  explicit LayeredIterator(Shown shown) : shown_(shown) {}
  ~LayeredIterator();

  Shown shown() const { return shown_; }
  /// All of it must outlive the next call of this.
  void SetLayers(const Roots& roots, std::shared_ptr<const FilesState> files);

  /// To a later entry than the present one it costs little where that is near.
  void Seek(std::string_view from);
  void SeekWithin(std::string_view from, std::string_view prefix);
  void Next();
  bool Valid() const { return at_ != kNone; }
  std::string_view key() const;
  std::string_view value() const;
  [[nodiscard]] absl::Status status() const;

 private:
  // A layer is a tree's place in roots_, or kFiles.
  static constexpr std::size_t kFiles = kTreesMax, kNone = kTreesMax + 1;

  bool ValidIn(std::size_t layer) const;
  std::string_view KeyIn(std::size_t layer) const;
  void NextIn(std::size_t layer);
  void Step();
  void SeekForward(std::string_view from);
  void Settle();
  FilesCursor& Files();

  const Shown shown_;  ///< Of the files; trees show all.
  Roots roots_ = {};
  std::array<CowTree::Cursor, kTreesMax> trees_;
  std::shared_ptr<const FilesState> state_;
  std::unique_ptr<FilesCursor> files_;  ///< Of state_; taken with the first use.
  std::size_t at_ = kNone;
  bool in_step_ = false;  ///< Every layer stands on its first entry at or after the one at hand.
};

}  // namespace trireme::kv::inline engine
