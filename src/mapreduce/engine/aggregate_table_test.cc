#include "mapreduce/engine/aggregate_table.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/random.h"

namespace trireme::mapreduce {
namespace {

using Totals = std::map<std::string, std::int64_t>;

void FoldInto(Totals& totals, Aggregation how, const std::string& key, std::int64_t value) {
  const auto [it, fresh] = totals.try_emplace(key, value);
  if (!fresh) it->second = Fold(how, it->second, value);
}

/// What the table holds goes to `totals`, as a spill would take it.
void Drain(AggregateTable& table, Aggregation how, Totals& totals) {
  table.ForEach([&](std::uint32_t id, const internal::KeyPrefix& prefix, std::uint64_t hash) {
    const std::string key(table.Key(id));
    const internal::KeyPrefix want = PrefixOf(key);
    ASSERT_TRUE(prefix.k0 == want.k0 && prefix.k1 == want.k1);
    ASSERT_EQ(hash, HashKey(key));
    FoldInto(totals, how, key, table.Value(id));
  });
  table.Clear();
  ASSERT_EQ(table.size(), 0u);
  ASSERT_EQ(table.added(), 0u);
}

/// Feeds a table the way the emitter does: short keys in two batches by size, long ones one by one.
class Feeder {
 public:
  Feeder(AggregateTable* table, Aggregation how, Totals* drained)
      : table_(*table), how_(how), drained_(*drained) {}

  void Feed(const std::string& key, std::int64_t value) {
    if (key.size() > internal::kInlineKeyBytes) return FeedLong(key, value);
    internal::Batch& batch = batches_[key.size() <= internal::kSmallKeyBytes ? 0 : 1];
    batch.items[batch.count++] = {PrefixOf(key), HashKey(key), value, key.size()};
    if (batch.count == internal::kBatchRecords) Flush(batch);
  }
  void Finish() {
    for (internal::Batch& batch : batches_) Flush(batch);
    Drain(table_, how_, drained_);
  }
  std::uint64_t refused() const { return refused_; }

 private:
  void FeedLong(const std::string& key, std::int64_t value) {
    if (table_.Add(key, HashKey(key), value)) return;
    Drain(table_, how_, drained_);
    if (table_.Add(key, HashKey(key), value)) return;
    ++refused_;  // larger than the whole budget
    FoldInto(drained_, how_, key, value);
  }
  void Flush(internal::Batch& batch) {
    for (std::size_t done = 0; (done += table_.AddBatch(batch, done)) < batch.count;) {
      ASSERT_NE(table_.size(), 0u) << "an empty table takes any short key";
      Drain(table_, how_, drained_);
    }
    batch.count = 0;
  }

  AggregateTable& table_;
  Aggregation how_;
  Totals& drained_;
  std::array<internal::Batch, 2> batches_;
  std::uint64_t refused_ = 0;
};

std::string AnyKey(Random& random, std::size_t longest) {
  std::string key(random.Below(longest + 1), '\0');
  for (char& byte : key) byte = static_cast<char>(random.Below(3));  // NULs are among them
  return key;
}

std::int64_t AnyNumber(Random& random) {
  if (random.OneIn(3)) return static_cast<std::int64_t>(random.Next()) >> random.Below(64);
  return static_cast<std::int64_t>(random.Below(9)) - 3;
}

class AggregateTableTest : public ::testing::TestWithParam<Aggregation> {};

TEST_P(AggregateTableTest, HoldsWhatAMapHoldsAndLosesNothingWhenFull) {
  const Aggregation how = GetParam();
  AggregateTable table;  // the same for all seeds: memory stays from use to use
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    table.Reset(how, random.OneIn(2) ? random.Below(500000) : 4 << 20);
    Totals got, want;
    Feeder feeder(&table, how, &got);
    const std::size_t longest = random.OneIn(2) ? 40 : 12;
    for (std::uint64_t i = 0, n = random.Below(8000); i < n; ++i) {
      const std::string key = AnyKey(random, longest);
      const std::int64_t value = AnyNumber(random);
      FoldInto(want, how, key, value);
      feeder.Feed(key, value);
    }
    feeder.Finish();
    ASSERT_EQ(got, want);
  }
}

INSTANTIATE_TEST_SUITE_P(All, AggregateTableTest,
                         ::testing::Values(Aggregation::kCount, Aggregation::kSum,
                                           Aggregation::kMin, Aggregation::kMax));

std::size_t KeysUntilFull(AggregateTable& table) {
  std::size_t keys = 0;
  for (;; ++keys) {
    const std::string key = "the key that is numbered " + std::to_string(keys);
    if (!table.Add(key, HashKey(key), 1)) return keys;
  }
}

TEST(AggregateTable, TakesAsMuchUnderASmallerBudgetAsAFreshOne) {
  constexpr std::size_t kSmall = 1 << 20, kLarge = 64 << 20;
  AggregateTable fresh, used;
  fresh.Reset(Aggregation::kSum, kSmall);
  used.Reset(Aggregation::kSum, kLarge);
  const std::size_t many = KeysUntilFull(used);
  used.Reset(Aggregation::kSum, kSmall);
  const std::size_t few = KeysUntilFull(fresh);
  EXPECT_EQ(KeysUntilFull(used), few);
  EXPECT_GT(few, kSmall / 300);
  EXPECT_GT(many, 20 * few);
}

TEST(AggregateTable, AKeyLargerThanTheBudgetIsRefused) {
  AggregateTable table;
  table.Reset(Aggregation::kSum, 1 << 20);
  const std::string key((1 << 20) + 5000, 'x');
  while (table.Add(std::string(100, 'y'), HashKey(std::string(100, 'y')), 1) && table.added() < 9) {
  }
  EXPECT_EQ(table.added(), 9u);
  EXPECT_EQ(table.size(), 1u);
  EXPECT_FALSE(table.Add(key + std::string(2 << 20, 'x'), 1, 1));
  EXPECT_EQ(table.added(), 9u);
}

}  // namespace
}  // namespace trireme::mapreduce
