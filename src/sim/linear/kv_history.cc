#include "sim/linear/kv_history.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "sim/linear/kv_model.h"

namespace trireme::linear {
namespace {

constexpr std::size_t kStatesShownMax = 4;

std::string CallText(const KvCall& call) {
  switch (call.kind) {
    case KvKind::kGet:
      return fmt::format("get {}", call.key);
    case KvKind::kPut:
      return fmt::format("put {} '{}'", call.key, call.value);
    case KvKind::kComparePut:
      return fmt::format("put {} '{}' if version {}", call.key, call.value, call.expected);
    case KvKind::kAppend:
      return fmt::format("append {} '{}'", call.key, call.value);
  }
  return "";
}

std::string ResultText(const KvCall& call) {
  if (!call.result.has_value()) return "unknown";
  const KvResult& result = *call.result;
  if (result.code == KvCode::kNoKey) return "no such key";
  if (result.code == KvCode::kWrongVersion) return "wrong version";
  if (call.kind != KvKind::kGet) return fmt::format("version {}", result.version);
  return fmt::format("'{}' version {}", result.value, result.version);
}

/// The values that reads have returned.
class Seen {
 public:
  explicit Seen(const std::vector<const KvCall*>& calls) {
    for (const KvCall* call : calls) {
      appends_ |= call->kind == KvKind::kAppend;
      if (call->result.has_value() && call->kind == KvKind::kGet) {
        values_.insert(call->result->value);
      }
    }
  }
  /// Whether a read may have seen what `call` wrote: whole, or, when values grow, as a part.
  bool MayBe(const KvCall& call) const {
    if (!appends_) return values_.contains(call.value);
    return std::any_of(values_.begin(), values_.end(), [&](std::string_view value) {
      return value.find(call.value) != value.npos;
    });
  }

 private:
  bool appends_ = false;
  std::set<std::string_view> values_;
};

class KeyChecker {
 public:
  KeyChecker(bool versions, const Limits& limits) : model_(versions), search_(&model_, limits) {}

  Verdict Run(const std::vector<const KvCall*>& calls) {
    const Seen seen(calls);
    std::vector<const KvCall*> told;
    std::vector<Interval<KvModel::Operation>> history;
    for (const KvCall* call : calls) {
      if (KvModel::SaysNothing(*call)) continue;
      told.push_back(call);
      history.push_back(
          {call->called, call->result ? call->returned : kNever, Operation(*call, seen)});
    }
    Verdict verdict = search_.Run(history);
    if (verdict.conclusion == Conclusion::kNotLinearizable)
      Explain(*told[verdict.culprit], &verdict);
    return verdict;
  }

 private:
  KvModel::Operation Operation(const KvCall& call, const Seen& seen) {
    KvModel::Operation operation = model_.Interned(call);
    if (!operation.known && !seen.MayBe(call)) operation.value = KvModel::kUnread;
    return operation;
  }

  void Explain(const KvCall& culprit, Verdict* verdict) const {
    verdict->why = fmt::format("no order explains {}; possible before its return:", Text(culprit));
    for (const KvModel::State& state : search_.StatesBefore(kStatesShownMax)) {
      verdict->why += fmt::format(" {};", model_.Text(state));
    }
    verdict->why.back() = '.';
  }

  KvModel model_;
  Search<KvModel> search_;
};

void Merge(const std::string& key, const Verdict& part, Verdict* whole) {
  whole->steps += part.steps;
  whole->configurations_most = std::max(whole->configurations_most, part.configurations_most);
  if (part.ok() || whole->conclusion == Conclusion::kNotLinearizable) return;
  if (!whole->ok() && part.conclusion == Conclusion::kUndecided) return;
  whole->conclusion = part.conclusion;
  whole->why = fmt::format("key {}: {}", key, part.why);
}

Verdict Check(const std::vector<KvCall>& history, bool versions, const Limits& limits) {
  std::map<std::string, std::vector<const KvCall*>> keys;
  for (const KvCall& call : history) keys[call.key].push_back(&call);
  Verdict whole;
  for (const auto& [key, calls] : keys) {
    const Verdict part = KeyChecker(versions, limits).Run(calls);
    Merge(key, part, &whole);
    if (whole.conclusion == Conclusion::kNotLinearizable) break;
  }
  return whole;
}

}  // namespace

std::string Text(const KvCall& call) {
  const std::string end = call.result ? fmt::format("{}", call.returned) : "...";
  return fmt::format("client {}: {} -> {} [{}, {}]", call.client, CallText(call), ResultText(call),
                     call.called, end);
}

Verdict CheckKv(const std::vector<KvCall>& history, const Limits& limits) {
  return Check(history, true, limits);
}

Verdict CheckRegisters(const std::vector<KvCall>& history, const Limits& limits) {
  return Check(history, false, limits);
}

}  // namespace trireme::linear
