#include "raft/replica/tick_wheel.h"

#include <map>
#include <random>

#include "gtest/gtest.h"

namespace trireme::raft {
namespace {

struct Item {
  TickPlace tick_place;
};

std::vector<Item*> Advance(TickWheel<Item>& wheel, std::uint64_t ticks = 1) {
  std::vector<Item*> due;
  wheel.Advance(ticks, &due);
  return due;
}

TEST(TickWheel, WhatWaitsIsDueOnceAtItsTick) {
  TickWheel<Item> wheel;
  Item item;
  wheel.Wait(item, 3);
  EXPECT_TRUE(Advance(wheel, 2).empty());
  EXPECT_EQ(Advance(wheel), std::vector<Item*>{&item});
  EXPECT_TRUE(Advance(wheel, 200).empty());
}

TEST(TickWheel, ALongWaitEndsEarlyRatherThanLate) {
  TickWheel<Item> wheel;
  Item item;
  wheel.Wait(item, 1'000);
  EXPECT_EQ(Advance(wheel, 63), std::vector<Item*>{&item});
}

/// Waits that are put off and brought forward at random, beside a map that knows when.
TEST(TickWheel, TheLatestWaitCounts) {
  std::mt19937_64 random(1);
  TickWheel<Item> wheel;
  std::vector<Item> items(20);
  std::map<Item*, std::uint64_t> due_at;
  for (int step = 0; step < 20'000; ++step) {
    Item& item = items[random() % items.size()];
    const std::uint64_t ticks = 1 + random() % 63;
    wheel.Wait(item, ticks);
    due_at[&item] = wheel.now() + ticks;
    if (random() % 4 != 0) continue;
    for (Item* due : Advance(wheel)) {
      EXPECT_EQ(due_at.at(due), wheel.now());
      due_at.erase(due);
    }
    for (const auto& [waiting, tick] : due_at) ASSERT_GT(tick, wheel.now());
  }
}

}  // namespace
}  // namespace trireme::raft
