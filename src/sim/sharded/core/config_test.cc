#include "sim/sharded/core/config.h"

#include <algorithm>
#include <map>
#include <set>

#include "gtest/gtest.h"

namespace trireme::sim::sharded {
namespace {

GroupId G(std::uint32_t number) {
  return static_cast<GroupId>(number);
}

std::size_t Moved(const ShardConfig& from, const ShardConfig& to) {
  std::size_t moved = 0;
  for (Shard shard = 0; shard < kShards; ++shard) {
    moved += from.owners[shard] != to.owners[shard] ? 1 : 0;
  }
  return moved;
}

/// How far apart the most and the least loaded group are.
std::size_t Spread(const ShardConfig& config) {
  std::vector<std::size_t> loads;
  for (const auto& [group, servers] : config.groups) {
    loads.push_back(
        static_cast<std::size_t>(std::count(config.owners.begin(), config.owners.end(), group)));
  }
  return *std::max_element(loads.begin(), loads.end()) -
         *std::min_element(loads.begin(), loads.end());
}

TEST(ShardOf, IsFnv1aModuloTwelve) {
  EXPECT_EQ(ShardOf(""), 2'166'136'261u % 12);
  EXPECT_EQ(ShardOf("a"), 0xe40c292cu % 12);  // of FNV's published test vectors
  EXPECT_EQ(ShardOf("foobar"), 0xbf9cf968u % 12);
}

TEST(ShardConfig, TheFirstJoinTakesAll) {
  const ShardConfig config = *ShardConfig().With({{G(1), {1, 2, 3}}}, {});
  EXPECT_EQ(config.number, 1u);
  EXPECT_EQ(std::set(config.owners.begin(), config.owners.end()), std::set{G(1)});
}

TEST(ShardConfig, EveryChangeIsBalancedAndMovesTheLeast) {
  ShardConfig config = *ShardConfig().With({{G(1), {1}}}, {});
  for (std::uint32_t group = 2; group <= 15; ++group) {
    const ShardConfig next = *config.With({{G(group), {group}}}, {});
    EXPECT_EQ(next.number, config.number + 1);
    EXPECT_LE(Spread(next), 1u) << group;
    EXPECT_EQ(Moved(config, next), kShards / group) << group;
    config = next;
  }
  for (std::uint32_t group = 1; group <= 14; ++group) {
    const auto owned =
        static_cast<std::size_t>(std::count(config.owners.begin(), config.owners.end(), G(group)));
    const ShardConfig next = *config.With({}, {G(group)});
    EXPECT_LE(Spread(next), 1u) << group;
    EXPECT_EQ(Moved(config, next), owned) << group;
    config = next;
  }
}

TEST(ShardConfig, WhatChangesNothingIsNoChange) {
  const ShardConfig config = *ShardConfig().With({{G(1), {1}}}, {});
  EXPECT_EQ(config.With({{G(1), {1}}}, {}), std::nullopt);
  EXPECT_EQ(config.With({}, {G(2)}), std::nullopt);
  EXPECT_EQ(config.With({}, {G(1)}), std::nullopt) << "the last group stays";
  EXPECT_EQ(config.With({}, {}), std::nullopt);
}

TEST(ShardConfig, IsReadBackAndNothingElseIs) {
  const ShardConfig config = *ShardConfig().With({{G(1), {1, 2}}, {G(2), {3, 4}}}, {});
  const std::string bytes = config.Encode();
  EXPECT_EQ(ShardConfig::Decode(bytes), config);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(ShardConfig::Decode(bytes.substr(0, size)), std::nullopt) << size;
  }
  EXPECT_EQ(ShardConfig::Decode(bytes + "x"), std::nullopt);
}

}  // namespace
}  // namespace trireme::sim::sharded
