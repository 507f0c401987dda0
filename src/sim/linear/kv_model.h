#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "sim/linear/interner.h"
#include "sim/linear/kv_history.h"

namespace trireme::linear {

/// One key, for Search.
class KvModel {
 public:
  struct State {
    bool exists = false;
    Interner::Id value = 0;
    std::uint64_t version = 0;
    friend bool operator==(const State&, const State&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const State& s) {
      return H::combine(std::move(h), s.exists, s.value, s.version);
    }
  };
  struct Operation {
    KvKind kind = KvKind::kGet;
    Interner::Id value = 0;
    std::uint64_t expected = 0;
    bool known = false;
    KvCode code = KvCode::kOk;
    Interner::Id read = 0;
    std::uint64_t version = 0;
  };

  explicit KvModel(bool versions) : versions_(versions) { interner_.Of("(never read)"); }

  /// Stands for all values that no operation has read: as nobody can tell them from each other, nor
  /// from any value made of one by appending, they may as well be one.
  static constexpr Interner::Id kUnread = 0;

  static State Initial() { return {}; }
  bool Apply(const Operation& operation, State* state);
  static bool Observes(const Operation& operation) {
    return operation.kind == KvKind::kGet || operation.code != KvCode::kOk;
  }
  static bool Interchangeable(const Operation& a, const Operation& b) {
    if (MakesUnread(a) && MakesUnread(b)) return true;
    return a.kind == b.kind && a.value == b.value && a.expected == b.expected;
  }

  /// Whether `call` can be left out: a read of unknown outcome says nothing.
  static bool SaysNothing(const KvCall& call) {
    return !call.result.has_value() && call.kind == KvKind::kGet;
  }
  Operation Interned(const KvCall& call);
  std::string Text(const State& state) const;

 private:
  static bool MakesUnread(const Operation& operation) {
    return operation.value == kUnread &&
           (operation.kind == KvKind::kPut || operation.kind == KvKind::kAppend);
  }
  Interner::Id Appended(const State& state, Interner::Id value);
  KvCode Run(const Operation& operation, State* state);
  void Write(Interner::Id value, State* state) const;

  bool versions_;
  Interner interner_;
};

}  // namespace trireme::linear
