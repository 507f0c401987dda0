#include "rpc/block_pool.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

namespace trireme::rpc {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kPooling = false;  // every block is new, so that its misuse is found
#else
constexpr bool kPooling = true;
#endif

constexpr std::size_t kStepBytes = 64;
constexpr std::size_t kSizes = kPooledBlockBytesMax / kStepBytes;

constexpr std::size_t StepsOf(std::size_t bytes) {
  return bytes == 0 ? 1 : (bytes + kStepBytes - 1) / kStepBytes;
}

/// What one thread keeps.
class Pool {
 public:
  ~Pool();

  /// Null: there is none.
  void* Take(std::size_t steps) {
    Block*& first = free_[steps - 1];
    Block* const block = first;
    if (block == nullptr) return nullptr;
    first = block->next;
    bytes_ -= steps * kStepBytes;
    return block;
  }
  /// False: it is not kept.
  bool Give(void* memory, std::size_t steps) {
    if (bytes_ + steps * kStepBytes > kPooledBytesMax) return false;
    free_[steps - 1] = new (memory) Block{free_[steps - 1]};
    bytes_ += steps * kStepBytes;
    return true;
  }

 private:
  struct Block {
    Block* next;
  };
  std::array<Block*, kSizes> free_ = {};
  std::size_t bytes_ = 0;
};

thread_local bool pool_gone = false;  ///< The thread ends: what outlives the pool is malloc's.
thread_local Pool pool;

Pool::~Pool() {
  pool_gone = true;
  for (Block* block : free_) {
    while (block != nullptr) {
      Block* const next = block->next;
      std::free(block);
      block = next;
    }
  }
}

bool Pooled(std::size_t steps) {
  return kPooling && steps <= kSizes && !pool_gone;
}

/// Before a block of nghttp2's, which gives it back without its size.
struct alignas(std::max_align_t) Header {
  std::size_t bytes;
};

void* MallocSized(std::size_t bytes, void*) {
  if (bytes > SIZE_MAX - sizeof(Header)) return nullptr;
  return new (TakeBlock(bytes + sizeof(Header))) Header{bytes} + 1;
}

void FreeSized(void* memory, void*) {
  if (memory == nullptr) return;
  Header* const header = static_cast<Header*>(memory) - 1;
  GiveBlock(header, header->bytes + sizeof(Header));
}

void* CallocSized(std::size_t count, std::size_t bytes, void* user) {
  if (bytes != 0 && count > SIZE_MAX / bytes) return nullptr;
  void* const memory = MallocSized(count * bytes, user);
  if (memory != nullptr) std::memset(memory, 0, count * bytes);
  return memory;
}

void* ReallocSized(void* memory, std::size_t bytes, void* user) {
  void* const grown = MallocSized(bytes, user);
  if (memory == nullptr || grown == nullptr) return grown;
  std::memcpy(grown, memory, std::min(bytes, (static_cast<Header*>(memory) - 1)->bytes));
  FreeSized(memory, user);
  return grown;
}

}  // namespace

void* TakeBlock(std::size_t bytes) {
  const std::size_t steps = StepsOf(bytes);
  void* block = Pooled(steps) ? pool.Take(steps) : nullptr;
  if (block == nullptr) block = std::malloc(steps * kStepBytes);
  if (block == nullptr) throw std::bad_alloc();  // as operator new does
  return block;
}

void GiveBlock(void* block, std::size_t bytes) {
  const std::size_t steps = StepsOf(bytes);
  if (!Pooled(steps) || !pool.Give(block, steps)) std::free(block);
}

nghttp2_mem* PooledMemory() {
  static nghttp2_mem memory = {nullptr, MallocSized, FreeSized, CallocSized, ReallocSized};
  return &memory;
}

}  // namespace trireme::rpc
