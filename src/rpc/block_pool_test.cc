#include "rpc/block_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"

namespace trireme::rpc {
namespace {

/// Blocks of all sizes, filled, looked at and given back in any order.
TEST(BlockPoolTest, BlocksDoNotOverlap) {
  Random random(3);
  std::vector<std::pair<char*, std::string>> taken;
  for (int step = 0; step < 20'000; ++step) {
    if (taken.empty() || random.Below(2) == 0) {
      const std::size_t bytes = random.Below(2 * kPooledBlockBytesMax);
      auto* block = static_cast<char*>(TakeBlock(bytes));
      taken.emplace_back(block, std::string(bytes, static_cast<char>(step)));
      std::memcpy(block, taken.back().second.data(), bytes);
    } else {
      std::swap(taken[random.Below(taken.size())], taken.back());
      const auto [block, content] = taken.back();
      ASSERT_EQ(std::string_view(block, content.size()), content);
      GiveBlock(block, content.size());
      taken.pop_back();
    }
  }
  for (const auto& [block, content] : taken) GiveBlock(block, content.size());
}

TEST(BlockPoolTest, ABlockMayBeGivenBackOnAnotherThread) {
  std::vector<std::shared_ptr<std::string>> made;
  for (int i = 0; i < 1000; ++i)
    made.push_back(
        std::allocate_shared<std::string>(BlockAllocator<std::string>(), std::string(100, 'x')));
  std::thread([&] {
    for (const auto& one : made) EXPECT_EQ(one->size(), 100u);
    made.clear();
  }).join();
  EXPECT_TRUE(made.empty());
}

TEST(BlockPoolTest, NghttpsMemoryIsMallocs) {
  const nghttp2_mem& memory = *PooledMemory();
  auto* bytes = static_cast<char*>(memory.calloc(10, 10, nullptr));
  EXPECT_EQ(std::string(bytes, 100), std::string(100, '\0'));
  for (std::size_t size : {100u, 50u, 5000u, 20u}) {
    std::memset(bytes, 'a', 20);
    bytes = static_cast<char*>(memory.realloc(bytes, size, nullptr));
    EXPECT_EQ(std::string(bytes, 20), std::string(20, 'a'));
  }
  memory.free(bytes, nullptr);
  memory.free(nullptr, nullptr);
  EXPECT_EQ(memory.calloc(SIZE_MAX, 2, nullptr), nullptr);
}

}  // namespace
}  // namespace trireme::rpc
