#pragma once

#include <cstdint>
#include <utility>

namespace trireme::linear {

/// One lock, for Search. Owners are numbered from 1.
class LockModel {
 public:
  struct State {
    std::uint64_t holder = 0;  ///< 0: nobody.
    friend bool operator==(const State&, const State&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const State& s) {
      return H::combine(std::move(h), s.holder);
    }
  };
  struct Operation {
    bool acquire = false;  ///< Otherwise release.
    std::uint64_t owner = 0;
    bool known = false;
    /// Acquire: it was free, or the owner's already. Release: it was the owner's.
    bool granted = false;
  };

  static State Initial() { return {}; }
  static bool Apply(const Operation& operation, State* state) {
    const bool own = state->holder == operation.owner;
    const bool granted = own || (operation.acquire && state->holder == 0);
    if (granted) state->holder = operation.acquire ? operation.owner : 0;
    return !operation.known || granted == operation.granted;
  }
  static bool Observes(const Operation& operation) { return !operation.granted; }
  static bool Interchangeable(const Operation& a, const Operation& b) {
    return a.acquire == b.acquire && a.owner == b.owner;
  }
};

}  // namespace trireme::linear
