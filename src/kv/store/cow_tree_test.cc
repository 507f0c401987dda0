// The tree against std::map, frozen roots included.
#include "kv/store/cow_tree.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "fmt/format.h"

namespace trireme::kv::inline engine {
namespace {

using Map = std::map<std::string, std::string, std::less<>>;

void ExpectEqual(const CowTree::Node* root, const Map& map) {
  CowTree::Cursor cursor;
  cursor.Seek(root, "");
  for (const auto& [key, value] : map) {
    ASSERT_TRUE(cursor.Valid());
    ASSERT_EQ(cursor.entry().key(), key);
    ASSERT_EQ(cursor.entry().value(), value);
    cursor.Next();
  }
  ASSERT_FALSE(cursor.Valid());
}

void ExpectSeeks(Random& random, const CowTree::Node* root, const Map& map,
                 const std::vector<std::string>& keys) {
  for (int i = 0; i < 50; ++i) {
    const std::string& from = keys[random.Below(keys.size())];
    CowTree::Cursor cursor;
    cursor.Seek(root, from);
    const auto it = map.lower_bound(from);
    ASSERT_EQ(cursor.Valid(), it != map.end());
    if (!cursor.Valid()) continue;
    ASSERT_EQ(cursor.entry().key(), it->first);
    const std::string& later = keys[random.Below(keys.size())];
    if (later <= it->first) continue;
    cursor.SeekForward(root, later);
    const auto then = map.lower_bound(later);
    ASSERT_EQ(cursor.Valid(), then != map.end());
    if (cursor.Valid()) {
      ASSERT_EQ(cursor.entry().key(), then->first);
    }
  }
}

struct Frozen {
  const CowTree::Node* root;
  std::uint64_t epoch;
  Map map;
};

/// Phases of mostly putting and mostly erasing, so that the tree grows by levels and empties.
void RunRandom(std::uint64_t seed, std::size_t key_count, int steps) {
  Random random(seed);
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < key_count; ++i)
    keys.push_back(random.OneIn(2) ? fmt::format("{:08}", i)
                                   : std::string(random.Below(40), 'p') + fmt::format("{}", i));
  CowTree tree;
  Map map;
  std::vector<Frozen> frozen;
  for (int i = 0; i < steps; ++i) {
    const bool growing = i / (steps / 6) % 2 == 0;
    const std::string& key = keys[random.Below(keys.size())];
    if (random.Below(10) < (growing ? 9u : 1u)) {
      const std::string value = fmt::format("{}", i);
      tree.Put(key, value);
      map[key] = value;
    } else {
      tree.Erase(key);
      map.erase(key);
    }
    if (random.OneIn(200)) {
      frozen.push_back({tree.root(), tree.Freeze(), map});
      ExpectSeeks(random, tree.root(), map, keys);
    }
    if (frozen.size() > random.Below(6) + 1) {
      const auto victim = frozen.begin() + static_cast<std::ptrdiff_t>(random.Below(frozen.size()));
      ExpectEqual(victim->root, victim->map);
      frozen.erase(victim);
      tree.Reclaim(frozen.empty() ? tree.epoch() : frozen.front().epoch);
    }
    ASSERT_EQ(tree.size(), map.size());
  }
  for (const Frozen& one : frozen) ExpectEqual(one.root, one.map);
  ExpectEqual(tree.root(), map);
  for (const std::string& key : keys) tree.Erase(key);
  ExpectEqual(tree.root(), {});
}

TEST(CowTree, IsAMapOfFewKeys) {
  for (std::uint64_t seed = 0; seed < 20 && !HasFailure(); ++seed) RunRandom(seed, 100, 3000);
}

TEST(CowTree, IsAMapOfManyKeys) {
  for (std::uint64_t seed = 0; seed < 3 && !HasFailure(); ++seed) RunRandom(seed, 9000, 60'000);
}

TEST(CowTree, EntriesInOrderFillTheirLeaves) {
  CowTree tree;
  for (int i = 0; i < 100'000; ++i) tree.Put(fmt::format("{:08}", i), "value");
  std::vector<const CowTree::Node*> level = {tree.root()};
  while (!level.front()->leaf) {
    std::vector<const CowTree::Node*> below;
    for (const auto* node : level) {
      const auto* inner = static_cast<const CowTree::Inner*>(node);
      below.insert(below.end(), inner->children.begin(), inner->children.begin() + inner->count);
    }
    level = std::move(below);
  }
  EXPECT_LE(level.size(), 100'000u / (CowTree::kFanout - 1) + 2);
}

TEST(CowTree, ErasingMostOfItLeavesFewLeaves) {
  CowTree tree;
  for (int i = 0; i < 64'000; ++i) tree.Put(fmt::format("{:08}", i), "");
  for (int i = 0; i < 64'000; ++i)
    if (i % 64 != 0) tree.Erase(fmt::format("{:08}", i));
  EXPECT_EQ(tree.size(), 1000u);
  std::size_t leaves = 0;
  std::vector<const CowTree::Node*> open = {tree.root()};
  while (!open.empty()) {
    const auto* node = open.back();
    open.pop_back();
    if (node->leaf) {
      ++leaves;
      continue;
    }
    const auto* inner = static_cast<const CowTree::Inner*>(node);
    open.insert(open.end(), inner->children.begin(), inner->children.begin() + inner->count);
  }
  EXPECT_LE(leaves, 100u);
}

}  // namespace
}  // namespace trireme::kv::inline engine
