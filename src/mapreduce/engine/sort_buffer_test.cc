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

void ExpectRecord(const SortBuffer& buffer, SortEntry entry, const Held& held) {
  const SortBuffer::RecordView record = buffer.Record(entry);
  ASSERT_EQ(buffer.Partition(entry), held.partition);
  ASSERT_EQ(record.key, held.key);
  ASSERT_EQ(record.value, held.value);
  std::string encoded;
  AppendVarint(encoded, held.key.size());
  AppendVarint(encoded, held.value.size());
  ASSERT_EQ(record.encoded, encoded + held.key + held.value);
}

/// The dumb twin: a stable sort.
void ExpectSorted(SortBuffer& buffer, std::vector<Held> held) {
  std::stable_sort(held.begin(), held.end(), [](const Held& a, const Held& b) {
    return std::tie(a.partition, a.key) < std::tie(b.partition, b.key);
  });
  std::size_t at = 0;
  for (std::size_t bucket = 0; bucket < buffer.buckets(); ++bucket) {
    const std::span<const SortEntry> entries = buffer.SortBucket(bucket);
    ASSERT_LE(at + entries.size(), held.size());
    for (std::size_t i = 0; i < entries.size(); ++i, ++at) {
      ASSERT_NO_FATAL_FAILURE(ExpectRecord(buffer, entries[i], held[at]));
      if (at == 0) continue;
      const Held& before = held[at - 1];
      const bool same = before.partition == held[at].partition && before.key == held[at].key;
      // Records of one key are in one bucket.
      ASSERT_EQ(i != 0 && buffer.SameGroup(entries[i - 1], entries[i], before.key), same);
    }
  }
  ASSERT_EQ(at, held.size());
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
    buffer.Reset(partitions,
                 random.OneIn(2) ? 1 + random.Below(3000) : 1 << (16 + random.Below(3)));
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

std::size_t LargestBucket(SortBuffer& buffer) {
  std::size_t largest = 0;
  for (std::size_t i = 0; i < buffer.buckets(); ++i)
    largest = std::max(largest, buffer.SortBucket(i).size());
  return largest;
}

/// Adds `records` records with the key that `key` makes of each number.
template <typename Key>
std::vector<Held> Fill(SortBuffer& buffer, std::uint64_t records, const Key& key) {
  std::vector<Held> held;
  for (std::uint64_t i = 0; i < records; ++i) {
    held.push_back({static_cast<std::uint32_t>(i % 3), key(i), "v"});
    EXPECT_TRUE(buffer.Add(held.back().partition, held.back().key, held.back().value));
  }
  return held;
}

TEST(SortBuffer, DealsRecordsToBucketsOfAboutOneSize) {
  SortBuffer buffer;
  buffer.Reset(3, 4 << 20);
  Random random(1);
  for (int use = 0; use < 3; ++use) {
    const auto held = Fill(buffer, 50000,
                           [&](std::uint64_t) { return std::to_string(random.Below(1ull << 40)); });
    ASSERT_EQ(buffer.buckets(), SortBuffer::kBuckets);
    EXPECT_LT(LargestBucket(buffer), 4 * held.size() / SortBuffer::kBuckets);
    ASSERT_NO_FATAL_FAILURE(ExpectSorted(buffer, held));
    buffer.Clear();
  }
}

TEST(SortBuffer, LearnsNewBucketsWhenTheOldOnesDoNotFit) {
  SortBuffer buffer;
  buffer.Reset(3, 4 << 20);
  const auto sorted = [](std::uint64_t i) { return std::to_string(100000 + i); };
  // What comes in order tells nothing about what comes later.
  ASSERT_NO_FATAL_FAILURE(ExpectSorted(buffer, Fill(buffer, 50000, sorted)));
  buffer.Clear();
  EXPECT_EQ(buffer.buckets(), 1u);
  const auto shuffled = [](std::uint64_t i) { return std::to_string(i * 7919 % 50021); };
  const auto held = Fill(buffer, 50000, shuffled);
  EXPECT_LT(LargestBucket(buffer), 4 * held.size() / SortBuffer::kBuckets);
  ASSERT_NO_FATAL_FAILURE(ExpectSorted(buffer, held));
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
