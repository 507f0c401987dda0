#include "mapreduce/engine/sort_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"

namespace trireme::mapreduce {
namespace {

struct Held {
  std::uint32_t partition;
  std::string key, value;
};

/// The dumb twin: a stable sort.
void ExpectSorted(SortBuffer& buffer, std::vector<Held> held) {
  std::stable_sort(held.begin(), held.end(), [](const Held& a, const Held& b) {
    return std::tie(a.partition, a.key) < std::tie(b.partition, b.key);
  });
  buffer.Sort();
  ASSERT_EQ(buffer.entries().size(), held.size());
  for (std::size_t i = 0; i < held.size(); ++i) {
    const SortEntry entry = buffer.entries()[i];
    const SortBuffer::RecordView record = buffer.Record(entry);
    ASSERT_EQ(buffer.Partition(entry), held[i].partition);
    ASSERT_EQ(record.key, held[i].key);
    ASSERT_EQ(record.value, held[i].value);
    std::string encoded;
    AppendVarint(encoded, held[i].key.size());
    AppendVarint(encoded, held[i].value.size());
    ASSERT_EQ(record.encoded, encoded + held[i].key + held[i].value);
    if (i == 0) continue;
    const bool same = held[i - 1].partition == held[i].partition && held[i - 1].key == held[i].key;
    ASSERT_EQ(buffer.SameGroup(buffer.entries()[i - 1], entry, held[i - 1].key), same);
  }
}

std::string AnyBytes(Random& random, std::size_t longest) {
  std::string bytes(random.Below(longest + 1), '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Below(3) * 127);
  return bytes;
}

TEST(SortBuffer, EqualsAStableSortAndLosesNothingWhenFull) {
  SortBuffer buffer;  // the same for all seeds: memory stays from use to use
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto partitions = static_cast<std::uint32_t>(1 + random.Below(300));
    buffer.Reset(partitions, random.OneIn(2) ? 1 + random.Below(3000) : 1 << 16);
    std::vector<Held> held;
    const std::size_t longest = 1 + random.Below(40);
    for (std::uint64_t i = 0, n = random.Below(2000); i < n; ++i) {
      const std::size_t most = random.OneIn(200) ? 10000 : longest;
      Held one{static_cast<std::uint32_t>(random.Below(partitions)), AnyBytes(random, most),
               AnyBytes(random, most)};
      if (!buffer.Add(one.partition, one.key, one.value)) {
        ASSERT_NO_FATAL_FAILURE(ExpectSorted(buffer, std::exchange(held, {})));
        buffer.Clear();
        ASSERT_TRUE(buffer.Add(one.partition, one.key, one.value));
      }
      held.push_back(std::move(one));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSorted(buffer, held));
  }
}

TEST(SortBuffer, ARecordLargerThanTheBudgetFitsAlone) {
  SortBuffer buffer;
  for (const std::size_t budget : {0, 1, 5000, 100000}) {
    buffer.Reset(1, budget);
    const std::string large(100001, 'x');
    ASSERT_TRUE(buffer.Add(0, "key", large));
    EXPECT_FALSE(buffer.Add(0, "", ""));
    ASSERT_NO_FATAL_FAILURE(ExpectSorted(buffer, {{0, "key", large}}));
    buffer.Clear();
    ASSERT_TRUE(buffer.Add(0, "", ""));
    ASSERT_NO_FATAL_FAILURE(ExpectSorted(buffer, {{0, "", ""}}));
    buffer.Clear();
  }
}

}  // namespace
}  // namespace trireme::mapreduce
