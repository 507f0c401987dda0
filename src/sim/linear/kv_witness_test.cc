#include "sim/linear/kv_witness.h"

#include <algorithm>
#include <numeric>

#include "base/random.h"
#include "gtest/gtest.h"

namespace trireme::linear {
namespace {

KvCall Put(std::string value, std::uint64_t called, std::uint64_t returned, std::uint64_t version) {
  return {1, "k",    KvKind::kPut, std::move(value),
          0, called, returned,     {{KvCode::kOk, "", version}}};
}
KvCall Get(std::uint64_t called, std::uint64_t returned, std::string value, std::uint64_t version) {
  return {1, "k",    KvKind::kGet, "",
          0, called, returned,     {{KvCode::kOk, std::move(value), version}}};
}

TEST(Explains, WhatTheOrderExplains) {
  EXPECT_TRUE(Explains({}, {}));
  EXPECT_TRUE(Explains({Put("a", 1, 9, 2), Put("b", 2, 8, 1), Get(3, 4, "b", 1)}, {1, 0}));
  EXPECT_FALSE(Explains({Put("a", 1, 9, 2), Put("b", 2, 8, 1), Get(3, 4, "b", 1)}, {0, 1}));
}

TEST(Explains, NothingAgainstTime) {
  EXPECT_FALSE(Explains({Put("a", 1, 2, 2), Put("b", 3, 4, 1)}, {1, 0})) << "b was called later";
  EXPECT_FALSE(Explains({Put("a", 1, 2, 1), Put("b", 3, 4, 2), Get(5, 6, "a", 1)}, {0, 1}))
      << "a stale read";
  EXPECT_TRUE(Explains({Put("a", 1, 2, 1), Put("b", 3, 7, 2), Get(5, 6, "a", 1)}, {0, 1}));
  EXPECT_FALSE(Explains(
      {Put("a", 1, 2, 1), Put("b", 3, kNever, 2), Get(5, 6, "a", 1), Get(3, 4, "b", 2)}, {0, 1}))
      << "back in time";
}

TEST(Explains, NothingThatIsLeftOutOrMadeUp) {
  EXPECT_FALSE(Explains({Put("a", 1, 2, 1)}, {})) << "it was acknowledged";
  EXPECT_FALSE(Explains({Put("a", 1, 2, 1)}, {0, 0}));
  EXPECT_FALSE(Explains({Put("a", 1, 2, 1)}, {1}));
  EXPECT_FALSE(Explains({Get(1, 2, "a", 1)}, {})) << "a value that nobody wrote";
  KvCall unknown = Put("a", 1, kNever, 1);
  unknown.result.reset();
  EXPECT_TRUE(Explains({unknown}, {}));
  EXPECT_TRUE(Explains({unknown, Get(2, 3, "a", 1)}, {0}));
  EXPECT_FALSE(Explains({unknown, Get(2, 3, "a", 1)}, {}));
}

/// What it says is a proof, so the search agrees with it, whatever history and order.
TEST(Explains, NeverWhatTheSearchRefutes) {
  std::uint64_t explained = 0;
  for (std::uint64_t seed = 0; seed < 20'000; ++seed) {
    Random random(seed);
    std::vector<KvCall> history;
    for (std::uint64_t i = 0, n = 1 + random.Below(5); i < n; ++i) {
      const std::uint64_t called = random.Below(10);
      KvCall call = Put(std::string(1, static_cast<char>('a' + random.Below(2))), called,
                        called + random.Below(6), 1 + random.Below(3));
      call.kind = static_cast<KvKind>(random.Below(4));
      call.expected = random.Below(2);
      if (call.kind == KvKind::kGet) call.result->value = random.OneIn(2) ? "a" : "b";
      if (random.OneIn(4)) call.result = {{KvCode::kWrongVersion, "", 0}};
      if (random.OneIn(4)) call.result = {{KvCode::kNoKey, "", 0}};
      if (random.OneIn(4)) {
        call.result.reset();
        call.returned = kNever;
      }
      history.push_back(call);
    }
    std::vector<std::size_t> effects(history.size());
    std::iota(effects.begin(), effects.end(), 0);
    for (std::size_t i = effects.size(); i > 1; --i)
      std::swap(effects[i - 1], effects[random.Below(i)]);
    effects.resize(random.Below(effects.size() + 1));
    if (!Explains(history, effects)) continue;
    ++explained;
    ASSERT_TRUE(CheckKv(history).ok()) << seed;
  }
  EXPECT_GT(explained, 1'000u);
}

}  // namespace
}  // namespace trireme::linear
