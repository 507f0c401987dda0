#include "sim/linear/search.h"

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "gtest/gtest.h"
#include "sim/linear/kv_history.h"
#include "sim/linear/test_lock_model.h"

namespace trireme::linear {
namespace {

/// The definition, taken literally: some order of all operations with known outcome and some of the
/// others respects real time and gives every recorded result.
template <typename Model>
class Exhaustive {
 public:
  using Operation = typename Model::Operation;

  Exhaustive(Model* model, const std::vector<Interval<Operation>>& history)
      : model_(*model), history_(history), used_(history.size()) {}

  bool IsLinearizable() { return Extend(model_.Initial()); }

 private:
  bool Extend(typename Model::State state) {
    bool all = true;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      all &= used_[i] || history_[i].returned == kNever;
    }
    if (all) return true;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      if (used_[i] || !MayBeNext(i)) continue;
      typename Model::State next = state;
      if (!model_.Apply(history_[i].operation, &next)) continue;
      used_[i] = true;
      if (Extend(next)) return true;
      used_[i] = false;
    }
    return false;
  }

  bool MayBeNext(std::size_t i) const {
    for (std::size_t j = 0; j < history_.size(); ++j) {
      if (!used_[j] && history_[j].returned < history_[i].called) return false;
    }
    return true;
  }

  Model& model_;
  const std::vector<Interval<Operation>>& history_;
  std::vector<bool> used_;
};

/// A key-value store that knows nothing of interning, for one key.
struct PlainStore {
  using Operation = KvCall;
  struct State {
    bool exists = false;
    std::string value;
    std::uint64_t version = 0;
  };
  static State Initial() { return {}; }
  bool Apply(const KvCall& call, State* state) const {
    KvResult result;
    const bool compare = call.kind == KvKind::kComparePut;
    if (call.kind == KvKind::kGet) {
      if (!state->exists) result.code = KvCode::kNoKey;
    } else if (compare && !state->exists && call.expected != 0) {
      result.code = KvCode::kNoKey;
    } else if (compare && call.expected != state->version) {
      result.code = KvCode::kWrongVersion;
    } else {
      state->value = call.kind == KvKind::kAppend ? state->value + call.value : call.value;
      state->exists = true;
      ++state->version;
    }
    if (!call.result) return true;
    if (call.result->code != result.code) return false;
    if (result.code != KvCode::kOk) return true;
    if (versions && call.result->version != state->version) return false;
    return call.kind != KvKind::kGet || call.result->value == state->value;
  }
  bool versions = true;
};

bool IsLinearizableByDefinition(const std::vector<KvCall>& calls, bool versions) {
  std::vector<Interval<KvCall>> history;
  for (const KvCall& call : calls) history.push_back({call.called, call.returned, call});
  PlainStore store{versions};
  return Exhaustive<PlainStore>(&store, history).IsLinearizable();
}

struct Mix {
  std::size_t operations = 6;
  std::uint64_t kinds = 4;
  std::uint64_t span = 6;       ///< Calls begin in [0, span): the smaller, the more overlap.
  std::uint64_t values = 3;     ///< Few, so that equal ones occur.
  std::uint64_t unknown = 4;    ///< One in so many has no result.
  std::uint64_t corrupted = 8;  ///< One result in so many is made up.
};

KvResult MadeUp(Random* random, const Mix& mix) {
  return {KvCode(random->Below(3)), std::string(1, char('a' + random->Below(mix.values))),
          random->Below(4)};
}

/// Runs the operations against one store, each somewhere between call and return, and then
/// falsifies some results: so about half of the histories are linearizable.
std::vector<KvCall> RandomHistory(Random* random, const Mix& mix) {
  std::vector<KvCall> calls(mix.operations);
  std::multimap<std::uint64_t, KvCall*> order;
  for (KvCall& call : calls) {
    call.client = 1 + random->Below(9);
    call.key = "k";
    call.kind = KvKind(random->Below(mix.kinds));
    call.value = std::string(1, char('a' + random->Below(mix.values)));
    call.expected = random->Below(3);
    call.called = 2 * random->Below(mix.span);
    const std::uint64_t effect = call.called + random->Below(6);
    call.returned = effect + random->Below(6);
    order.emplace(effect, &call);
  }
  PlainStore::State state;
  for (const auto& [time, call] : order) {
    const bool unknown = random->OneIn(mix.unknown);
    if (unknown && random->OneIn(2)) {
      call->returned = kNever;
      continue;
    }
    KvResult result{KvCode::kOk, state.value, state.version};
    for (const KvCode code : {KvCode::kOk, KvCode::kNoKey, KvCode::kWrongVersion}) {
      PlainStore::State after = state;
      call->result = KvResult{code, state.value, 0};
      for (call->result->version = 0; call->result->version < 9; ++call->result->version) {
        after = state;
        if (PlainStore{}.Apply(*call, &after)) break;
      }
      if (call->result->version == 9) continue;
      state = after;
      break;
    }
    if (unknown) {
      call->returned = kNever;
      call->result.reset();
    } else if (random->OneIn(mix.corrupted)) {
      call->result = MadeUp(random, mix);
    }
  }
  return calls;
}

std::string Text(const std::vector<KvCall>& calls) {
  std::string text;
  for (const KvCall& call : calls) text += Text(call) + "\n";
  return text;
}

struct Count {
  int linearizable = 0;
  int not_linearizable = 0;
};

Count CompareWithTwin(std::uint64_t seed, int histories, const Mix& mix, bool versions) {
  Random random(seed);
  Count count;
  for (int i = 0; i < histories; ++i) {
    const std::vector<KvCall> calls = RandomHistory(&random, mix);
    const Verdict verdict = versions ? CheckKv(calls) : CheckRegisters(calls);
    const bool expected = IsLinearizableByDefinition(calls, versions);
    EXPECT_NE(verdict.conclusion, Conclusion::kUndecided);
    EXPECT_EQ(verdict.ok(), expected) << Text(calls) << verdict.why;
    if (verdict.ok() != expected) break;
    ++(expected ? count.linearizable : count.not_linearizable);
  }
  return count;
}

TEST(LinearTwin, VersionedHistories) {
  const Count count = CompareWithTwin(1, 6000, Mix{}, true);
  EXPECT_GT(count.linearizable, 1000);
  EXPECT_GT(count.not_linearizable, 1000);
}

TEST(LinearTwin, ManyUnknownOutcomes) {
  const Count count =
      CompareWithTwin(2, 4000, Mix{.operations = 7, .span = 8, .unknown = 2, .corrupted = 6}, true);
  EXPECT_GT(count.linearizable, 500);
  EXPECT_GT(count.not_linearizable, 500);
}

TEST(LinearTwin, ManyOverlapping) {
  const Count count = CompareWithTwin(3, 3000, Mix{.operations = 7, .span = 2}, true);
  EXPECT_GT(count.linearizable, 500);
  EXPECT_GT(count.not_linearizable, 500);
}

TEST(LinearTwin, Registers) {
  const Count count = CompareWithTwin(
      4, 6000, Mix{.operations = 7, .kinds = 2, .values = 2, .corrupted = 3}, false);
  EXPECT_GT(count.linearizable, 1000);
  EXPECT_GT(count.not_linearizable, 1000);
}

TEST(LinearTwin, Locks) {
  Random random(5);
  Count count;
  for (int i = 0; i < 6000; ++i) {
    std::vector<Interval<LockModel::Operation>> history(6);
    for (auto& interval : history) {
      interval.called = random.Below(10);
      interval.returned = random.OneIn(4) ? kNever : interval.called + random.Below(5);
      interval.operation = {random.OneIn(2), 1 + random.Below(3), interval.returned != kNever,
                            random.Below(4) != 0};
    }
    LockModel model;
    const bool found = Search<LockModel>(&model, Limits{}).Run(history).ok();
    ASSERT_EQ(found, Exhaustive<LockModel>(&model, history).IsLinearizable());
    ++(found ? count.linearizable : count.not_linearizable);
  }
  EXPECT_GT(count.linearizable, 500);
  EXPECT_GT(count.not_linearizable, 500);
}

}  // namespace
}  // namespace trireme::linear
