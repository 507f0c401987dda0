#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace trireme::kv::inline engine {

/// An entry, or the bytes that separate two children: never changed once made.
struct Blob {
  /// As a value's size: the entry says that there is none, below whatever this tree lies over.
  static constexpr std::uint32_t kTombstone = UINT32_MAX;

  std::uint32_t key_size;
  std::uint32_t value_size;

  bool tombstone() const { return value_size == kTombstone; }
  std::string_view key() const { return {reinterpret_cast<const char*>(this + 1), key_size}; }
  std::string_view value() const {
    return {reinterpret_cast<const char*>(this + 1) + key_size, tombstone() ? 0 : value_size};
  }
};

/// Memory that is taken piece by piece and goes all at once, back to the system: what a tree has
/// filled leaves no holes among what malloc keeps.
class Arena {
 public:
  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  void* Take(std::size_t bytes);
  /// What was taken.
  std::size_t bytes() const { return bytes_; }

 private:
  /// A large page of x86-64, and of arm64 with small ones of 4 KiB.
  static constexpr std::size_t kChunkBytes = 2 << 20;
  /// A larger piece has memory of its own.
  static constexpr std::size_t kPieceBytesMax = 32 << 10;

  char* Map(std::size_t bytes, int populate);
  char* MapChunk();

  std::vector<std::pair<char*, std::size_t>> maps_;
  char* next_ = nullptr;
  std::size_t left_ = 0;
  std::size_t bytes_ = 0;
};

/// A B+-tree that copies a node on the first write after a freeze. A frozen root is read by other
/// threads while the tree is written; nothing of it is freed before Reclaim is told that it may be.
///
/// Nodes and entries carry no reference counts. What a write replaces is listed with the epoch in
/// which it was, and epochs end with a freeze: it is seen by frozen roots of earlier epochs only.
class CowTree {
 public:
  static constexpr int kFanout = 64;
  static constexpr int kHeightMax = 16;
  static constexpr std::size_t kSharedMax = 36;

  struct Node {
    std::uint64_t epoch;  ///< When it was made; written in place while that lasts.
    std::uint16_t count;
    bool leaf;
    /// All keys in it, or separators, begin with so many bytes of `shared`.
    std::uint8_t shared_size = 0;
    std::array<char, kSharedMax> shared = {};

    std::string_view prefix() const { return {shared.data(), shared_size}; }
  };
  /// heads[i]: the 8 bytes of an entry's key after those that all keys of the node begin with, as a
  /// number, zeros after a shorter one: most comparisons end there and touch no entry.
  struct Leaf : Node {
    std::array<std::uint64_t, kFanout> heads;
    std::array<Blob*, kFanout> entries;
  };
  /// All keys below children[i] are at or after separators[i], for i > 0, and before the next.
  struct Inner : Node {
    std::array<std::uint64_t, kFanout> heads;
    std::array<Blob*, kFanout> separators;
    std::array<Node*, kFanout> children;
  };

  /// A place in a root's entries.
  class Cursor {
   public:
    /// To the first entry at or after `from`.
    void Seek(const Node* root, std::string_view from);
    /// The same from an entry before it: near by in no more than a search of the leaf.
    void SeekForward(const Node* root, std::string_view from);
    void Next();
    bool Valid() const { return leaf_ != nullptr; }
    const Blob& entry() const { return *leaf_->entries[at_]; }
    /// Has the processor fetch the entry so many steps ahead, if it is in the same leaf.
    void Prefetch(std::size_t ahead) const;

   private:
    struct Step {
      const Inner* node;
      int child;
    };
    void NextLeaf();

    std::array<Step, kHeightMax> path_;
    int depth_ = 0;
    const Leaf* leaf_ = nullptr;
    std::size_t at_ = 0;
  };

  /// kTogether: what is replaced stays until the whole tree goes; for a tree that is soon given up.
  enum class Freeing : std::uint8_t { kOneByOne, kTogether };

  explicit CowTree(Freeing freeing = Freeing::kOneByOne);
  ~CowTree();
  CowTree(const CowTree&) = delete;
  CowTree& operator=(const CowTree&) = delete;

  void Put(std::string_view key, std::string_view value);
  void Erase(std::string_view key);
  /// Puts an entry that says that there is none.
  void PutTombstone(std::string_view key);

  const Node* root() const { return root_; }
  std::uint64_t epoch() const { return epoch_; }
  std::size_t size() const { return size_; }
  /// What it takes of memory, without what malloc adds. Freed together: of entries that were
  /// replaced too. One by one: of nodes only.
  std::size_t bytes() const { return arena_.bytes() + node_bytes_; }

  /// The root as it is now stays as it is; ends the epoch and returns its number.
  std::uint64_t Freeze() { return epoch_++; }
  /// Frees what only roots frozen before `oldest` saw. `oldest` is the earliest epoch whose root is
  /// still read, or epoch() when there is none.
  void Reclaim(std::uint64_t oldest);

 private:
  struct Retired {
    std::uint64_t epoch;
    Node* node;  ///< Or else
    Blob* blob;
    bool leaf;  ///< Of the node, which is not looked at again.
  };

  template <typename T>
  T* Make();
  template <typename T>
  T* MakeLike(const T& like);
  template <typename T>
  T* Writable(Node*& at);
  Blob* MakeBlob(std::string_view key, std::string_view value, bool tombstone);
  void Insert(std::string_view key, std::string_view value, bool tombstone);
  template <typename T>
  void Free(T* node);
  void Free(Node* node, bool leaf);
  void Free(Blob* blob);
  void FreeBelow(Node* node);
  void Split(Inner& parent, int child, std::string_view key);
  void AddChild(Inner& parent, int at, Blob* separator, Node* child);
  void GrowRoot();
  void RemoveAlong(std::vector<std::pair<Inner*, int>>& path);
  void MergeWithNext(Inner& parent, int child);
  void RemoveChild(Inner& parent, int child);
  void Retire(Node* node);
  void Retire(Blob* blob);

  /// Nodes to be used again: each batch of a writer copies many and lets as many go.
  template <typename T>
  std::vector<std::unique_ptr<T>>& Spare();
  static constexpr std::size_t kSparesMax = 512;

  Freeing freeing_;
  Arena arena_;  ///< Of blobs that are freed together.
  std::size_t node_bytes_ = 0;
  std::uint64_t epoch_ = 1;
  std::size_t size_ = 0;
  std::deque<Retired> retired_;
  std::vector<std::unique_ptr<Leaf>> spare_leaves_;
  std::vector<std::unique_ptr<Inner>> spare_inners_;
  Node* root_;  ///< Last: made of the others.
};

}  // namespace trireme::kv::inline engine
