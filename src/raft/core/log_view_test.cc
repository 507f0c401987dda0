#include "raft/core/log_view.h"

#include <algorithm>
#include <string>

#include "base/random.h"
#include "gtest/gtest.h"

namespace trireme::raft {
namespace {

Entry MakeEntry(std::uint64_t index, std::uint64_t term, std::size_t bytes = 10) {
  return {Index{index}, Term{term}, EntryKind::kCommand,
          SharedBytes::Copy(std::string(bytes, static_cast<char>('a' + term % 26)))};
}

LogView LogOf(const std::vector<std::uint64_t>& terms) {
  LogView log({});
  for (const std::uint64_t term : terms) log.Append(MakeEntry(log.last().index.value + 1, term));
  return log;
}

TEST(LogView, BeginsBehindItsBase) {
  const LogView log({Index{7}, Term{3}});
  EXPECT_EQ(log.last(), (LogPosition{Index{7}, Term{3}}));
  EXPECT_EQ(log.first(), Index{8});
  EXPECT_EQ(log.TermAt(Index{7}), Term{3});
  EXPECT_EQ(log.TermAt(Index{6}), std::nullopt);
  EXPECT_EQ(log.TermAt(Index{8}), std::nullopt);
}

TEST(LogView, EvictionKeepsTheTerms) {
  LogView log = LogOf({1, 1, 2, 4});
  log.EvictTo(Index{3});
  EXPECT_EQ(log.memory_first(), Index{4});
  EXPECT_EQ(log.bytes(), 10u);
  EXPECT_EQ(log.TermAt(Index{3}), Term{2});
  EXPECT_EQ(log.TermAt(Index{1}), Term{1});
  EXPECT_EQ(log.base(), LogPosition{});
}

TEST(LogView, TruncationMayReachBelowMemory) {
  LogView log = LogOf({1, 1, 2, 4});
  log.EvictTo(Index{3});
  log.TruncateFrom(Index{2});
  EXPECT_EQ(log.last(), (LogPosition{Index{1}, Term{1}}));
  log.Append(MakeEntry(2, 9));
  EXPECT_EQ(log.memory_first(), Index{2});
  EXPECT_EQ(log.At(Index{2}).term, Term{9});
}

TEST(LogView, CompactionKeepsTheBasesTerm) {
  LogView log = LogOf({1, 1, 2, 4});
  log.CompactTo(Index{3});
  EXPECT_EQ(log.base(), (LogPosition{Index{3}, Term{2}}));
  EXPECT_EQ(log.TermAt(Index{2}), std::nullopt);
  log.CompactTo(Index{4});
  EXPECT_EQ(log.last(), (LogPosition{Index{4}, Term{4}}));
  EXPECT_EQ(log.bytes(), 0u);
}

TEST(LogView, CopiesAtLeastOneEntryAndThenUpToTheLimits) {
  LogView log = LogOf({1, 1, 1, 1});
  std::vector<Entry> copied;
  EXPECT_EQ(log.CopyTo(&copied, Index{2}, Index{4}, 1, 100), 10u);
  EXPECT_EQ(copied.size(), 1u);
  copied.clear();
  EXPECT_EQ(log.CopyTo(&copied, Index{1}, Index{4}, 25, 100), 20u);
  copied.clear();
  EXPECT_EQ(log.CopyTo(&copied, Index{1}, Index{4}, 100, 3), 30u);
  EXPECT_EQ(copied.back().index, Index{3});
  EXPECT_EQ(copied.back().data.data(), log.At(Index{3}).data.data()) << "bytes are shared";
}

/// Against a plain list of terms: appends, truncations, compactions, evictions, and the search that
/// fast back-up rests on.
TEST(LogView, IsItsDumbTwin) {
  Random random(7);
  for (int round = 0; round < 300; ++round) {
    LogView log({});
    std::vector<std::uint64_t> terms{0};  // by index; [base] is the base's
    std::uint64_t base = 0;
    for (int step = 0; step < 100; ++step) {
      const std::uint64_t last = terms.size() - 1;
      const std::uint64_t dice = random.Below(10);
      if (dice < 6) {
        terms.push_back(std::max<std::uint64_t>(terms.back(), 1) + random.Below(2));
        log.Append(MakeEntry(last + 1, terms.back()));
      } else if (dice < 8 && last > base) {
        const std::uint64_t from = base + 1 + random.Below(last - base);
        terms.resize(from);
        log.TruncateFrom(Index{from});
      } else if (dice == 8) {
        base += random.Below(last - base + 1);
        log.CompactTo(Index{base});
      } else {
        log.EvictTo(Index{base + random.Below(last - base + 1)});
      }
      ASSERT_EQ(log.last().index.value, terms.size() - 1);
      for (std::uint64_t i = 0; i <= terms.size(); ++i) {
        const bool known = i >= base && i < terms.size();
        ASSERT_EQ(log.TermAt(Index{i}), known ? std::optional(Term{terms[i]}) : std::nullopt);
      }
      const LogPosition bound{Index{random.Below(120)}, Term{random.Below(40)}};
      std::uint64_t found = std::min<std::uint64_t>(bound.index.value, terms.size() - 1);
      while (found > base && terms[found] > bound.term.value) --found;
      found = std::max(found, base);
      ASSERT_EQ(log.LastWithin(bound), (LogPosition{Index{found}, Term{terms[found]}}));
    }
  }
}

}  // namespace
}  // namespace trireme::raft
