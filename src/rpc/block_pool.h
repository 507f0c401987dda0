#pragma once

#include <cstddef>

#include "nghttp2/nghttp2.h"

/// Memory for what a call needs while it lasts. Each thread keeps what was given back on it, by
/// size and up to a limit, for its next calls: with hundreds of calls under way malloc's own
/// caches are empty, and its lists of all sizes cost a tenth of a call. Any thread may give back.
namespace trireme::rpc {

/// Larger blocks are malloc's.
inline constexpr std::size_t kPooledBlockBytesMax = 2048;
/// That a thread keeps.
inline constexpr std::size_t kPooledBytesMax = 2u << 20;

void* TakeBlock(std::size_t bytes);
/// `bytes`: as it was taken.
void GiveBlock(void* block, std::size_t bytes);

/// For standard containers and allocate_shared.
template <typename T>
struct BlockAllocator {
  using value_type = T;
  BlockAllocator() = default;
  template <typename U>
  explicit BlockAllocator(const BlockAllocator<U>&) {}
  T* allocate(std::size_t count) { return static_cast<T*>(TakeBlock(count * sizeof(T))); }
  void deallocate(T* block, std::size_t count) { GiveBlock(block, count * sizeof(T)); }
  friend bool operator==(const BlockAllocator&, const BlockAllocator&) { return true; }
};

/// For nghttp2's sessions.
nghttp2_mem* PooledMemory();

}  // namespace trireme::rpc
