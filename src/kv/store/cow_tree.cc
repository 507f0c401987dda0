#include "kv/store/cow_tree.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>
#include <type_traits>

#include "base/check.h"

namespace trireme::kv::inline engine {
namespace {

using Node = CowTree::Node;
using Leaf = CowTree::Leaf;
using Inner = CowTree::Inner;

/// A leaf with fewer takes in its neighbour when both fit in three quarters.
constexpr int kLeafSparse = CowTree::kFanout / 4;
constexpr int kLeafMerged = CowTree::kFanout * 3 / 4;

std::uint64_t HeadOf(std::string_view key) {
  std::uint64_t head = 0;
  std::memcpy(&head, key.data(), std::min(key.size(), sizeof head));
  return __builtin_bswap64(head);
}

/// The first of the sorted `heads` in [from, to) that is not below `head`. Without branches, which
/// no processor would foresee.
int FirstNotBelow(const std::uint64_t* heads, int from, int to, std::uint64_t head) {
  while (from < to) {
    const int half = (to - from) / 2;
    const bool below = heads[from + half] < head;
    from = below ? from + half + 1 : from;
    to = below ? to : from + half;
  }
  return from;
}

/// How many of the `count` keys of a node, which are sorted, are before `key`, or with `or_equal`
/// not after it. Of equal heads the first is looked at first: a new version of a key comes before
/// those there are.
template <typename Heads, typename Blobs>
int CountBefore(const Node& node, const Heads& heads, const Blobs& blobs, int from,
                std::string_view key, bool or_equal) {
  const std::string_view prefix = node.prefix();
  int to = node.count;
  if (const int order = key.substr(0, prefix.size()).compare(prefix); order != 0)
    return order < 0 ? from : std::max(from, to);
  const std::uint64_t head = HeadOf(key.substr(prefix.size()));
  from = FirstNotBelow(heads.data(), from, to, head);
  const auto before = [&](int at) {
    const int order = blobs[at]->key().compare(key);
    return order < 0 || (or_equal && order == 0);
  };
  if (from >= to || heads[from] != head || !before(from)) return from;
  ++from;
  while (from < to) {
    const int middle = from + (to - from) / 2;
    if (heads[middle] == head && before(middle)) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  return from;
}

/// The first entry at or after `key`, of those from `from` on.
int LowerBound(const Leaf& leaf, std::string_view key, int from = 0) {
  return CountBefore(leaf, leaf.heads, leaf.entries, from, key, /*or_equal=*/false);
}

/// The child that holds `key` if any does.
int ChildFor(const Inner& inner, std::string_view key) {
  return CountBefore(inner, inner.heads, inner.separators, 1, key, /*or_equal=*/true) - 1;
}

std::size_t SharedSize(std::string_view a, std::string_view b) {
  const auto differ = std::ranges::mismatch(a, b).in1 - a.begin();
  return static_cast<std::size_t>(differ);
}

/// Says anew what the keys from `first` on share: `prefix`, or its first bytes.
template <typename T, typename Blobs>
void SetShared(T& node, const Blobs& blobs, int first, std::string_view prefix) {
  prefix = prefix.substr(0, CowTree::kSharedMax);
  std::memmove(node.shared.data(), prefix.data(), prefix.size());
  node.shared_size = static_cast<std::uint8_t>(prefix.size());
  for (int i = first; i < node.count; ++i)
    node.heads[i] = HeadOf(blobs[i]->key().substr(prefix.size()));
}

/// Before `key` comes in.
template <typename T, typename Blobs>
void MakeShared(T& node, const Blobs& blobs, int first, std::string_view key) {
  if (key.starts_with(node.prefix())) return;
  SetShared(node, blobs, first, key.substr(0, SharedSize(key, node.prefix())));
}

/// After a split, when the keys have more in common.
template <typename T, typename Blobs>
void ShareMore(T& node, const Blobs& blobs, int first) {
  if (node.count - first < 2) return;
  const std::string_view begin = blobs[first]->key(), end = blobs[node.count - 1]->key();
  const std::size_t size = std::min(SharedSize(begin, end), CowTree::kSharedMax);
  if (size > node.shared_size) SetShared(node, blobs, first, begin.substr(0, size));
}

void ShareMore(Node& node) {
  if (node.leaf) {
    auto& leaf = static_cast<Leaf&>(node);
    ShareMore(leaf, leaf.entries, 0);
  } else {
    auto& inner = static_cast<Inner&>(node);
    ShareMore(inner, inner.separators, 1);
  }
}

/// The shortest bytes after `left` and not after `right`.
std::string_view Separator(std::string_view left, std::string_view right) {
  const auto differ = std::ranges::mismatch(left, right).in2 - right.begin();
  return right.substr(0, static_cast<std::size_t>(differ) + 1);
}

template <typename Array, typename T>
void InsertAt(Array& array, int count, int at, T value) {
  std::copy_backward(array.begin() + at, array.begin() + count, array.begin() + count + 1);
  array[at] = value;
}

template <typename Array>
void RemoveAt(Array& array, int count, int at) {
  std::copy(array.begin() + at + 1, array.begin() + count, array.begin() + at);
}

}  // namespace

Arena::~Arena() {
  for (const auto& [memory, bytes] : maps_) ::munmap(memory, bytes);
}

/// All of it will be written: its pages come at once, without a fault for each.
char* Arena::Map(std::size_t bytes, int populate) {
  void* memory =
      ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | populate, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();  // as operator new does
  return maps_.emplace_back(static_cast<char*>(memory), bytes).first;
}

/// One large page where the system has them: its address is a multiple of its size. Where it does
/// not, the advice is of no effect and nothing is lost.
char* Arena::MapChunk() {
  char* const all = Map(2 * kChunkBytes, /*populate=*/0);
  const std::size_t before = -reinterpret_cast<std::uintptr_t>(all) & (kChunkBytes - 1);
  char* const chunk = all + before;
  if (before > 0) ::munmap(all, before);
  ::munmap(chunk + kChunkBytes, kChunkBytes - before);
  maps_.back() = {chunk, kChunkBytes};
  (void)::madvise(chunk, kChunkBytes, MADV_HUGEPAGE);
  (void)::madvise(chunk, kChunkBytes, MADV_POPULATE_WRITE);
  return chunk;
}

void* Arena::Take(std::size_t bytes) {
  bytes = (bytes + alignof(Blob) - 1) / alignof(Blob) * alignof(Blob);
  bytes_ += bytes;
  if (bytes > kPieceBytesMax) return Map(bytes, MAP_POPULATE);
  if (bytes > left_) {
    next_ = MapChunk();
    left_ = kChunkBytes;
  }
  left_ -= bytes;
  return std::exchange(next_, next_ + bytes);
}

CowTree::CowTree(Freeing freeing) : freeing_(freeing), root_(Make<Leaf>()) {}

CowTree::~CowTree() {
  Reclaim(epoch_ + 1);
  FreeBelow(root_);
}

template <>
std::vector<std::unique_ptr<Leaf>>& CowTree::Spare() {
  return spare_leaves_;
}
template <>
std::vector<std::unique_ptr<Inner>>& CowTree::Spare() {
  return spare_inners_;
}

/// An empty one of this epoch.
template <typename T>
T* CowTree::Make() {
  node_bytes_ += sizeof(T);
  auto& spare = Spare<T>();
  T* node = nullptr;
  if (spare.empty()) {
    node = new T;
  } else {
    node = spare.back().release();
    spare.pop_back();
  }
  static_cast<Node&>(*node) = {epoch_, 0, std::is_same_v<T, Leaf>};
  return node;
}

template <typename T>
T* CowTree::MakeLike(const T& like) {
  T* node = Make<T>();
  static_cast<Node&>(*node) = like;
  node->epoch = epoch_;
  std::copy_n(like.heads.begin(), like.count, node->heads.begin());
  if constexpr (std::is_same_v<T, Leaf>) {
    std::copy_n(like.entries.begin(), like.count, node->entries.begin());
  } else {
    std::copy_n(like.separators.begin(), like.count, node->separators.begin());
    std::copy_n(like.children.begin(), like.count, node->children.begin());
  }
  return node;
}

Blob* CowTree::MakeBlob(std::string_view key, std::string_view value, bool tombstone) {
  const std::size_t bytes = sizeof(Blob) + key.size() + value.size();
  void* memory = freeing_ == Freeing::kTogether ? arena_.Take(bytes) : ::operator new(bytes);
  auto* blob =
      new (memory) Blob{static_cast<std::uint32_t>(key.size()),
                        tombstone ? Blob::kTombstone : static_cast<std::uint32_t>(value.size())};
  char* to = reinterpret_cast<char*>(blob + 1);
  std::memcpy(to, key.data(), key.size());
  if (!value.empty()) std::memcpy(to + key.size(), value.data(), value.size());
  return blob;
}

void CowTree::Free(Blob* blob) {
  if (freeing_ == Freeing::kOneByOne) ::operator delete(blob);
}

template <typename T>
void CowTree::Free(T* node) {
  node_bytes_ -= sizeof(T);
  std::unique_ptr<T> owned(node);
  if (Spare<T>().size() < kSparesMax) Spare<T>().push_back(std::move(owned));
}

void CowTree::Free(Node* node, bool leaf) {
  leaf ? Free(static_cast<Leaf*>(node)) : Free(static_cast<Inner*>(node));
}

void CowTree::FreeBelow(Node* node) {
  if (node->leaf) {
    auto* leaf = static_cast<Leaf*>(node);
    if (freeing_ == Freeing::kOneByOne)
      std::for_each_n(leaf->entries.begin(), leaf->count, [this](Blob* entry) { Free(entry); });
  } else {
    auto* inner = static_cast<Inner*>(node);
    for (int i = 0; i < inner->count; ++i) {
      if (i > 0) Free(inner->separators[i]);
      FreeBelow(inner->children[i]);
    }
  }
  Free(node, node->leaf);
}

void CowTree::Retire(Blob* blob) {
  if (freeing_ == Freeing::kOneByOne) retired_.push_back({epoch_, nullptr, blob, false});
}

void CowTree::Retire(Node* node) {
  if (node->epoch == epoch_) {
    Free(node, node->leaf);  // no frozen root has seen it
  } else {
    retired_.push_back({epoch_, node, nullptr, node->leaf});
  }
}

void CowTree::Reclaim(std::uint64_t oldest) {
  while (!retired_.empty() && retired_.front().epoch <= oldest) {
    const Retired& retired = retired_.front();
    retired.node != nullptr ? Free(retired.node, retired.leaf) : Free(retired.blob);
    retired_.pop_front();
  }
}

/// `at`, or a copy in its place when a frozen root sees it.
template <typename T>
T* CowTree::Writable(Node*& at) {
  if (at->epoch == epoch_) return static_cast<T*>(at);
  auto* copy = MakeLike(*static_cast<T*>(at));
  Retire(at);
  at = copy;
  return copy;
}

/// Makes two of a full child. Entries that come in order leave full leaves behind.
void CowTree::Split(Inner& parent, int child, std::string_view key) {
  Node* right = nullptr;
  Blob* separator = nullptr;
  if (parent.children[child]->leaf) {
    auto* left = Writable<Leaf>(parent.children[child]);
    const bool appending = left->entries[kFanout - 1]->key() < key;
    const int keep = appending ? kFanout - 1 : kFanout / 2;
    auto* leaf = Make<Leaf>();
    static_cast<Node&>(*leaf) = *left;
    leaf->count = static_cast<std::uint16_t>(kFanout - keep);
    std::copy(left->heads.begin() + keep, left->heads.end(), leaf->heads.begin());
    std::copy(left->entries.begin() + keep, left->entries.end(), leaf->entries.begin());
    left->count = static_cast<std::uint16_t>(keep);
    separator = MakeBlob(Separator(left->entries[keep - 1]->key(), leaf->entries[0]->key()), {},
                         /*tombstone=*/false);
    right = leaf;
  } else {
    auto* left = Writable<Inner>(parent.children[child]);
    constexpr int kKeep = kFanout / 2;
    auto* inner = Make<Inner>();
    static_cast<Node&>(*inner) = *left;
    inner->count = kFanout - kKeep;
    std::copy(left->heads.begin() + kKeep, left->heads.end(), inner->heads.begin());
    std::copy(left->separators.begin() + kKeep, left->separators.end(), inner->separators.begin());
    std::copy(left->children.begin() + kKeep, left->children.end(), inner->children.begin());
    left->count = kKeep;
    separator = inner->separators[0];
    right = inner;
  }
  ShareMore(*parent.children[child]);
  ShareMore(*right);
  AddChild(parent, child + 1, separator, right);
}

void CowTree::AddChild(Inner& parent, int at, Blob* separator, Node* child) {
  const std::string_view key = separator->key();
  MakeShared(parent, parent.separators, 1, key);
  InsertAt(parent.heads, parent.count, at, HeadOf(key.substr(parent.shared_size)));
  InsertAt(parent.separators, parent.count, at, separator);
  InsertAt(parent.children, parent.count, at, child);
  ++parent.count;
}

void CowTree::GrowRoot() {
  auto* root = Make<Inner>();
  root->count = 1;
  root->children[0] = root_;
  root_ = root;
}

void CowTree::Put(std::string_view key, std::string_view value) {
  Insert(key, value, /*tombstone=*/false);
}

void CowTree::PutTombstone(std::string_view key) {
  Insert(key, {}, /*tombstone=*/true);
}

/// Splits full nodes on the way down, so that there is always room above.
void CowTree::Insert(std::string_view key, std::string_view value, bool tombstone) {
  if (root_->count == kFanout) GrowRoot();
  Node** at = &root_;
  while (!(*at)->leaf) {
    auto* inner = Writable<Inner>(*at);
    int child = ChildFor(*inner, key);
    if (inner->children[child]->count == kFanout) {
      Split(*inner, child, key);
      child = ChildFor(*inner, key);
    }
    at = &inner->children[child];
  }
  auto* leaf = Writable<Leaf>(*at);
  MakeShared(*leaf, leaf->entries, 0, key);
  const int place = LowerBound(*leaf, key);
  const std::uint64_t head = HeadOf(key.substr(leaf->shared_size));
  Blob* entry = MakeBlob(key, value, tombstone);
  if (place < leaf->count && leaf->heads[place] == head && leaf->entries[place]->key() == key) {
    Retire(std::exchange(leaf->entries[place], entry));
    return;
  }
  InsertAt(leaf->heads, leaf->count, place, head);
  InsertAt(leaf->entries, leaf->count, place, entry);
  ++leaf->count;
  ++size_;
}

void CowTree::Erase(std::string_view key) {
  Cursor cursor;
  cursor.Seek(root_, key);
  if (!cursor.Valid() || cursor.entry().key() != key) return;
  std::vector<std::pair<Inner*, int>> path;
  Node** at = &root_;
  while (!(*at)->leaf) {
    auto* inner = Writable<Inner>(*at);
    path.emplace_back(inner, ChildFor(*inner, key));
    at = &inner->children[path.back().second];
  }
  auto* leaf = Writable<Leaf>(*at);
  const int place = LowerBound(*leaf, key);
  Retire(leaf->entries[place]);
  RemoveAt(leaf->heads, leaf->count, place);
  RemoveAt(leaf->entries, leaf->count, place);
  --leaf->count;
  --size_;
  if (leaf->count < kLeafSparse) RemoveAlong(path);
}

/// A leaf at the end of `path` has become sparse.
void CowTree::RemoveAlong(std::vector<std::pair<Inner*, int>>& path) {
  if (path.empty()) return;
  auto [parent, child] = path.back();
  if (child > 0) MergeWithNext(*parent, child - 1);
  if (child + 1 < parent->count) MergeWithNext(*parent, child);
  if (child < parent->count && parent->children[child]->count == 0) RemoveChild(*parent, child);
  while (path.size() > 1 && path.back().first->count == 0) {
    path.pop_back();
    RemoveChild(*path.back().first, path.back().second);
  }
  while (!root_->leaf && root_->count <= 1) {
    Node* old = root_;
    root_ = old->count == 1 ? static_cast<Inner*>(old)->children[0] : Make<Leaf>();
    Retire(old);
  }
}

void CowTree::MergeWithNext(Inner& parent, int child) {
  const auto* right = static_cast<Leaf*>(parent.children[child + 1]);
  if (parent.children[child]->count + right->count > kLeafMerged) return;
  auto* left = Writable<Leaf>(parent.children[child]);
  const std::size_t shared = SharedSize(left->prefix(), right->prefix());
  SetShared(*left, left->entries, 0, left->prefix().substr(0, shared));
  for (int i = 0; i < right->count; ++i)
    left->heads[left->count + i] = HeadOf(right->entries[i]->key().substr(shared));
  std::copy_n(right->entries.begin(), right->count, left->entries.begin() + left->count);
  left->count = static_cast<std::uint16_t>(left->count + right->count);
  RemoveChild(parent, child + 1);
}

void CowTree::RemoveChild(Inner& parent, int child) {
  Retire(parent.children[child]);
  // The first child has no separator; when it goes, the second one's does.
  if (parent.count > 1) Retire(parent.separators[std::max(child, 1)]);
  RemoveAt(parent.children, parent.count, child);
  const int separator = parent.count > 1 ? std::max(child, 1) : 0;
  RemoveAt(parent.heads, parent.count, separator);
  RemoveAt(parent.separators, parent.count, separator);
  --parent.count;
}

void CowTree::Cursor::Seek(const Node* root, std::string_view from) {
  depth_ = 0;
  const Node* node = root;
  while (!node->leaf) {
    const auto* inner = static_cast<const Inner*>(node);
    const int child = ChildFor(*inner, from);
    TRIREME_CHECK(depth_ < kHeightMax);
    path_[depth_++] = {inner, child};
    node = inner->children[child];
  }
  leaf_ = static_cast<const Leaf*>(node);
  at_ = static_cast<std::size_t>(LowerBound(*leaf_, from));
  if (at_ == leaf_->count) NextLeaf();
}

void CowTree::Cursor::SeekForward(const Node* root, std::string_view from) {
  const int place = LowerBound(*leaf_, from, static_cast<int>(at_) + 1);
  if (place == leaf_->count) return Seek(root, from);
  at_ = static_cast<std::size_t>(place);
}

void CowTree::Cursor::Next() {
  if (++at_ == leaf_->count) NextLeaf();
}

void CowTree::Cursor::Prefetch(std::size_t ahead) const {
  constexpr std::size_t kLineBytes = 64, kLines = 5;  // of a small value
  if (at_ + ahead >= leaf_->count) return;
  const char* entry = reinterpret_cast<const char*>(leaf_->entries[at_ + ahead]);
  for (std::size_t line = 0; line < kLines; ++line) __builtin_prefetch(entry + line * kLineBytes);
}

/// No leaf but a root is empty.
void CowTree::Cursor::NextLeaf() {
  at_ = 0;
  leaf_ = nullptr;
  while (depth_ > 0 && path_[depth_ - 1].child + 1 == path_[depth_ - 1].node->count) --depth_;
  if (depth_ == 0) return;
  Step& step = path_[depth_ - 1];
  const Node* node = step.node->children[++step.child];
  while (!node->leaf) {
    const auto* inner = static_cast<const Inner*>(node);
    path_[depth_++] = {inner, 0};
    node = inner->children[0];
  }
  leaf_ = static_cast<const Leaf*>(node);
}

}  // namespace trireme::kv::inline engine
