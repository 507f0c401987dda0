#include "mapreduce/engine/key_sort.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"

namespace trireme::mapreduce {
namespace {

SortEntry EntryFor(std::uint32_t partition, int bits, const std::string& key, std::uint32_t id) {
  const SortEntry first = key_sort_internal::Window(key, 0) << 32;
  return MakeEntry(partition, bits, static_cast<std::uint64_t>(first >> 64),
                   static_cast<std::uint64_t>(first), id);
}

/// The dumb twin: a stable sort of (partition, key) pairs.
void ExpectSorted(const std::vector<std::string>& keys, std::uint32_t partitions) {
  const int bits = PartitionBits(partitions);
  std::vector<SortEntry> entries;
  std::vector<std::uint32_t> want;
  const auto partition_of = [&](std::uint32_t id) {
    return static_cast<std::uint32_t>(keys[id].size() * 7 + (keys[id].empty() ? 0 : keys[id][0])) %
           partitions;
  };
  for (std::uint32_t id = 0; id < keys.size(); ++id) {
    entries.push_back(EntryFor(partition_of(id), bits, keys[id], id));
    want.push_back(id);
  }
  std::stable_sort(want.begin(), want.end(), [&](std::uint32_t a, std::uint32_t b) {
    if (partition_of(a) != partition_of(b)) return partition_of(a) < partition_of(b);
    return keys[a] < keys[b];
  });
  SortByKey(std::span(entries), bits, [&](std::uint32_t id) { return std::string_view(keys[id]); });
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_EQ(EntryId(entries[i]), want[i]) << "at " << i;
    ASSERT_EQ(EntryPartition(entries[i], bits), partition_of(want[i]));
  }
}

TEST(KeySort, EqualsAStableSortForKeysOfEveryShape) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Random random(seed);
    const std::uint64_t count = random.Below(400), alphabet = 1 + random.Below(4);
    const std::uint64_t longest = 1 + random.Below(40);
    std::vector<std::string> keys(count);
    for (std::string& key : keys) {
      key.resize(random.Below(longest + 1));
      for (char& c : key) c = static_cast<char>(random.Below(alphabet) * 85);  // 0 is among them
    }
    ExpectSorted(keys, static_cast<std::uint32_t>(1 + random.Below(300)));
  }
}

TEST(KeySort, LongKeysThatDifferOnlyAtTheirEnd) {
  std::vector<std::string> keys;
  for (int i = 0; i < 300; ++i) keys.push_back(std::string(1000, 'x') + std::to_string(i % 17));
  ExpectSorted(keys, 1);
  ExpectSorted(keys, 5000);
}

}  // namespace
}  // namespace trireme::mapreduce
