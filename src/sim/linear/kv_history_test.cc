#include "sim/linear/kv_history.h"

#include <string>
#include <vector>

#include "base/random.h"
#include "fmt/format.h"
#include "gtest/gtest.h"

namespace trireme::linear {
namespace {

KvCall Put(std::string value, std::uint64_t called, std::uint64_t returned, std::uint64_t version) {
  return {1, "k",    KvKind::kPut, std::move(value),
          0, called, returned,     KvResult{KvCode::kOk, "", version}};
}
KvCall PutUnknown(std::string value, std::uint64_t called) {
  return {2, "k", KvKind::kPut, std::move(value), 0, called, kNever, std::nullopt};
}
KvCall Get(std::string value, std::uint64_t called, std::uint64_t returned, std::uint64_t version) {
  return {3,
          "k",
          KvKind::kGet,
          "",
          0,
          called,
          returned,
          KvResult{version == 0 ? KvCode::kNoKey : KvCode::kOk, std::move(value), version}};
}

TEST(KvHistory, ReadsOneAfterTheOtherMustNotGoBack) {
  // Herlihy & Wing's example: while a write is going on either value may be read, but not the new
  // one first and then the old one.
  const KvCall first = Put("a", 0, 1, 1);
  const KvCall second = Put("b", 10, 50, 2);
  EXPECT_TRUE(CheckKv({first, second, Get("a", 12, 14, 1), Get("b", 16, 18, 2)}).ok());
  EXPECT_TRUE(CheckKv({first, second, Get("b", 12, 18, 2), Get("a", 14, 16, 1)}).ok());
  const Verdict verdict = CheckKv({first, second, Get("b", 12, 14, 2), Get("a", 16, 18, 1)});
  EXPECT_EQ(verdict.conclusion, Conclusion::kNotLinearizable);
  EXPECT_EQ(
      verdict.why,
      "key k: no order explains client 3: get k -> 'a' version 1 [16, 18]; possible before its "
      "return: 'b' version 2.");
}

TEST(KvHistory, StaleReadIsFound) {
  EXPECT_FALSE(CheckKv({Put("a", 0, 1, 1), Put("b", 2, 3, 2), Get("a", 4, 5, 1)}).ok());
  EXPECT_FALSE(CheckKv({Put("a", 0, 1, 1), Get("", 2, 3, 0)}).ok());
}

TEST(KvHistory, UnknownOutcomeMayTakeEffectLateOrNever) {
  const KvCall base = Put("a", 0, 1, 1);
  EXPECT_TRUE(CheckKv({base, PutUnknown("b", 2), Get("a", 100, 101, 1)}).ok());
  EXPECT_TRUE(
      CheckKv({base, PutUnknown("b", 2), Get("a", 100, 101, 1), Get("b", 200, 201, 2)}).ok());
  EXPECT_FALSE(
      CheckKv({base, PutUnknown("b", 2), Get("b", 100, 101, 2), Get("a", 200, 201, 1)}).ok());
  EXPECT_FALSE(CheckKv({base, Get("b", 2, 3, 2), PutUnknown("b", 4)}).ok());
}

TEST(KvHistory, TheSameUnknownWriteTwiceIsFound) {
  // Its value shows at version 2, and again on top of a later write: executed twice.
  const std::vector<KvCall> twice = {Put("a", 0, 1, 1), PutUnknown("b", 2), Get("b", 10, 11, 2),
                                     Put("c", 20, 21, 3), Get("b", 30, 31, 4)};
  EXPECT_FALSE(CheckKv(twice).ok());
}

TEST(KvHistory, LostUpdateIsFound) {
  const auto compare_put = [](const char* value, std::uint64_t called) {
    return KvCall{1, "k",    KvKind::kComparePut, value,
                  1, called, called + 5,          KvResult{KvCode::kOk, "", 2}};
  };
  EXPECT_TRUE(CheckKv({Put("a", 0, 1, 1), compare_put("b", 10)}).ok());
  EXPECT_FALSE(CheckKv({Put("a", 0, 1, 1), compare_put("b", 10), compare_put("c", 11)}).ok());
}

TEST(KvHistory, AppendsShowTheirOrder) {
  const auto append = [](const char* value, std::uint64_t called, std::uint64_t version) {
    return KvCall{1, "k",    KvKind::kAppend, value,
                  0, called, called + 10,     KvResult{KvCode::kOk, "", version}};
  };
  EXPECT_TRUE(CheckKv({append("x", 0, 2), append("y", 1, 1), Get("yx", 20, 21, 2)}).ok());
  EXPECT_FALSE(CheckKv({append("x", 0, 2), append("y", 1, 1), Get("xy", 20, 21, 2)}).ok());
  EXPECT_FALSE(CheckKv({append("x", 0, 1), append("y", 20, 2), Get("y", 40, 41, 2)}).ok());
}

TEST(KvHistory, KeysAreCheckedApart) {
  std::vector<KvCall> history = {Put("a", 0, 1, 1), Get("a", 2, 3, 1)};
  history.push_back(history[1]);
  history[2].key = "other";
  const Verdict verdict = CheckKv(history);
  EXPECT_FALSE(verdict.ok());
  EXPECT_NE(verdict.why.find("key other:"), std::string::npos) << verdict.why;
}

/// What clients see of a correct store: every operation takes effect inside its interval.
class CorrectStore {
 public:
  CorrectStore(std::uint64_t seed, std::uint64_t overlap) : random_(seed), overlap_(overlap) {}

  void Operation(std::uint64_t unknown_one_in) {
    now_ += 10;
    KvCall call{1 + random_.Below(20), "k", random_.OneIn(2) ? KvKind::kGet : KvKind::kPut};
    call.called = now_ - random_.Below(10 * overlap_);
    call.returned = now_ + random_.Below(10 * overlap_);
    const bool unknown = random_.OneIn(unknown_one_in);
    const bool write = call.kind == KvKind::kPut && !(unknown && random_.OneIn(2));
    if (call.kind == KvKind::kPut) call.value = fmt::format("v{}", history.size());
    if (write) value_ = call.value;
    if (write) ++version_;
    call.result = KvResult{version_ == 0 ? KvCode::kNoKey : KvCode::kOk,
                           call.kind == KvKind::kGet ? value_ : "", version_};
    if (unknown) call.returned = kNever;
    if (unknown) call.result.reset();
    history.push_back(std::move(call));
  }

  std::vector<KvCall> history;

 private:
  Random random_;
  std::uint64_t overlap_;
  std::uint64_t now_ = 1000;
  std::string value_;
  std::uint64_t version_ = 0;
};

/// Effort is bounded in steps of the model, which are the same on every machine; a step with all
/// that belongs to it takes a fraction of a microsecond.
TEST(KvHistoryEffort, GrowsWithLengthNotWithItsPower) {
  for (const std::uint64_t overlap : {2, 8}) {
    CorrectStore store(7, overlap);
    for (int i = 0; i < 20'000; ++i) store.Operation(1'000'000'000);
    const Verdict verdict = CheckKv(store.history);
    EXPECT_TRUE(verdict.ok()) << verdict.why;
    EXPECT_LT(verdict.steps, 20'000u * 60) << overlap;
    EXPECT_LT(verdict.configurations_most, 5'000u) << overlap;
  }
}

TEST(KvHistoryEffort, HundredsOfUnknownOutcomesOnOneKey) {
  CorrectStore store(8, 3);
  for (int i = 0; i < 4'000; ++i) store.Operation(20);
  const Verdict verdict = CheckKv(store.history);
  EXPECT_TRUE(verdict.ok()) << verdict.why;
  EXPECT_LT(verdict.steps, 4'000u * 2'000);
}

TEST(KvHistoryEffort, LimitsSayWhichTheyAre) {
  CorrectStore store(9, 20);
  for (int i = 0; i < 2'000; ++i) store.Operation(5);
  const Verdict steps = CheckKv(store.history, Limits{.steps_max = 1'000});
  EXPECT_EQ(steps.conclusion, Conclusion::kUndecided);
  EXPECT_EQ(steps.why, "key k: steps_max");
  const Verdict configurations = CheckKv(store.history, Limits{.configurations_max = 10});
  EXPECT_EQ(configurations.why, "key k: configurations_max");

  std::vector<KvCall> open(kPendingMax + 1, PutUnknown("x", 0));
  const Verdict pending = CheckKv(open);
  EXPECT_EQ(pending.conclusion, Conclusion::kUndecided);
  EXPECT_EQ(pending.why, "key k: kPendingMax: operations open at one moment");
}

}  // namespace
}  // namespace trireme::linear
