#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "sim/linear/frontier.h"
#include "sim/linear/pending_set.h"
#include "sim/linear/verdict.h"

namespace trireme::linear {

inline constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

/// An operation on one object, between its call and its return on any one clock. Operations that
/// touch at one instant count as overlapping.
template <typename Operation>
struct Interval {
  std::uint64_t called = 0;
  /// kNever: the outcome is unknown, it may take effect at any time after `called`, or never.
  std::uint64_t returned = kNever;
  Operation operation;
};

/// Decides whether a history of one object is linearizable (Herlihy & Wing, TOPLAS 1990): Wing &
/// Gong's search ("Testing and verifying concurrent objects", JPDC 1993) in the form of Lowe's
/// just-in-time linearization ("Testing for linearizability", 2017, section 5). The history is read
/// in the order of time; an operation is made to take effect only when one that returns needs it.
/// The configurations that remain possible are all kept, so memory follows the operations that
/// overlap, not the history's length. Two of our additions keep them few: an operation that only
/// observes takes effect as soon as it fits, because waiting can only hurt; and Frontier.
///
/// Model has
///   Operation, State                   State: ==, AbslHashValue
///   State Initial()
///   bool Apply(operation, State*)      false: with this result it cannot happen in this state
///   bool Observes(operation)           with this result it changes no state
///   bool Interchangeable(a, b)         two of unknown outcome whose effects are the same
template <typename Model>
class Search {
 public:
  using Operation = typename Model::Operation;
  using State = typename Model::State;
  using History = std::span<const Interval<Operation>>;

  Search(Model* model, const Limits& limits) : model_(*model), limits_(limits) {}

  Verdict Run(History history) {
    history_ = history;
    now_.Add({model_.Initial(), {}}, optional_);
    for (const Event& event : InOrderOfTime()) {
      if (event.is_return) {
        Return(event.operation);
      } else {
        Call(event.operation);
      }
      if (!verdict_.ok()) break;
    }
    return verdict_;
  }

  /// After kNotLinearizable: the states that were possible just before the culprit's return.
  std::vector<State> StatesBefore(std::size_t most) const {
    std::vector<State> states;
    for (std::size_t i = 0; i < now_.end() && states.size() < most; ++i) {
      const State& state = now_[i].state;
      if (std::find(states.begin(), states.end(), state) == states.end()) states.push_back(state);
    }
    return states;
  }

 private:
  struct Event {
    std::uint64_t time;
    bool is_return;
    std::size_t operation;
  };
  struct Pending {
    std::size_t operation = 0;
    bool open = false;
    bool known = false;
    bool observes = false;
    /// Another one of unknown outcome that does the same and was called before; which of the two
    /// takes effect first does not matter, so that one must.
    std::optional<std::size_t> twin;
  };

  std::vector<Event> InOrderOfTime() const {
    std::vector<Event> events;
    for (std::size_t i = 0; i < history_.size(); ++i) {
      events.push_back({history_[i].called, false, i});
      if (history_[i].returned != kNever) events.push_back({history_[i].returned, true, i});
    }
    std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
      return a.time != b.time ? a.time < b.time : a.is_return < b.is_return;
    });
    return events;
  }

  void Call(std::size_t operation) {
    const std::size_t slot = FreeSlot();
    if (slot == kPendingMax) return GiveUp("kPendingMax: operations open at one moment");
    Pending& pending = pending_[slot];
    pending = {operation, true, history_[operation].returned != kNever, false, std::nullopt};
    pending.observes = pending.known && model_.Observes(history_[operation].operation);
    slots_.push_back(slot);
    if (!pending.known) {
      optional_.Add(slot);
      pending.twin = TwinOf(slot);
    }
    if (!pending.observes) return;
    next_.Clear();
    for (std::size_t i = 0; i < now_.end(); ++i) {
      if (now_.superseded(i)) continue;
      Configuration<State> configuration = now_[i];
      ObserveIfItFits(slot, &configuration);
      next_.Add(configuration, optional_);
    }
    std::swap(now_, next_);
  }

  void Return(std::size_t operation) {
    const std::size_t slot = SlotOf(operation);
    next_.Clear();
    reached_.Clear();
    for (std::size_t i = 0; i < now_.end(); ++i) {
      if (!now_.superseded(i)) Reach(now_[i], slot);
    }
    for (std::size_t i = 0; i < reached_.end() && verdict_.ok(); ++i) {
      if (!reached_.superseded(i)) Expand(Configuration<State>(reached_[i]), slot);
    }
    if (!verdict_.ok()) return;
    if (next_.live() == 0) {
      verdict_.conclusion = Conclusion::kNotLinearizable;
      verdict_.culprit = operation;
      return;
    }
    std::swap(now_, next_);
    Close(slot);
    CloseUnknownThatAllHave();
  }

  /// All ways in which one more open operation takes effect before the one at `returning`.
  void Expand(const Configuration<State>& from, std::size_t returning) {
    for (const std::size_t slot : slots_) {
      const Pending& pending = pending_[slot];
      if (from.done.Has(slot)) continue;
      if (pending.twin.has_value() && !from.done.Has(*pending.twin)) continue;
      Configuration<State> to = from;
      if (!Apply(pending, &to.state)) continue;
      if (!pending.known && to.state == from.state) continue;
      to.done.Add(slot);
      for (const std::size_t other : slots_) ObserveIfItFits(other, &to);
      Reach(to, returning);
    }
  }

  /// A configuration in which the operation at `returning` has taken effect outlives its return.
  void Reach(Configuration<State> configuration, std::size_t returning) {
    if (configuration.done.Has(returning)) {
      configuration.done.Remove(returning);
      next_.Add(configuration, optional_);
    } else {
      reached_.Add(configuration, optional_);
    }
    const std::size_t held = now_.end() + next_.end() + reached_.end();
    verdict_.configurations_most = std::max(verdict_.configurations_most, held);
    if (held > limits_.configurations_max) GiveUp("configurations_max");
    if (verdict_.steps > limits_.steps_max) GiveUp("steps_max");
  }

  void ObserveIfItFits(std::size_t slot, Configuration<State>* configuration) {
    const Pending& pending = pending_[slot];
    if (!pending.observes || configuration->done.Has(slot)) return;
    State state = configuration->state;
    if (Apply(pending, &state)) configuration->done.Add(slot);
  }

  bool Apply(const Pending& pending, State* state) {
    ++verdict_.steps;
    return model_.Apply(history_[pending.operation].operation, state);
  }

  std::size_t FreeSlot() const {
    for (std::size_t slot = 0; slot < kPendingMax; ++slot) {
      if (!pending_[slot].open) return slot;
    }
    return kPendingMax;
  }

  std::size_t SlotOf(std::size_t operation) const {
    return *std::find_if(slots_.begin(), slots_.end(),
                         [&](std::size_t slot) { return pending_[slot].operation == operation; });
  }

  std::optional<std::size_t> TwinOf(std::size_t slot) const {
    const Operation& operation = history_[pending_[slot].operation].operation;
    for (auto other = slots_.rbegin() + 1; other != slots_.rend(); ++other) {
      const Pending& pending = pending_[*other];
      if (!pending.known &&
          model_.Interchangeable(history_[pending.operation].operation, operation)) {
        return *other;
      }
    }
    return std::nullopt;
  }

  void Close(std::size_t slot) {
    pending_[slot].open = false;
    optional_.Remove(slot);
    slots_.erase(std::find(slots_.begin(), slots_.end(), slot));
    for (const std::size_t other : slots_) {
      if (pending_[other].twin == slot) pending_[other].twin.reset();
    }
  }

  void CloseUnknownThatAllHave() {
    PendingSet all = optional_;
    for (std::size_t i = 0; i < now_.end(); ++i) {
      if (!now_.superseded(i)) all = all.And(now_[i].done);
    }
    if (all == PendingSet{}) return;
    const std::vector<std::size_t> slots = slots_;
    for (const std::size_t slot : slots) {
      if (all.Has(slot)) Close(slot);
    }
    next_.Clear();
    for (std::size_t i = 0; i < now_.end(); ++i) {
      if (now_.superseded(i)) continue;
      next_.Add({now_[i].state, now_[i].done.Without(all)}, optional_);
    }
    std::swap(now_, next_);
  }

  void GiveUp(const char* limit) {
    verdict_.conclusion = Conclusion::kUndecided;
    verdict_.why = limit;
  }

  Model& model_;
  Limits limits_;
  History history_;
  Verdict verdict_;
  std::vector<Pending> pending_ = std::vector<Pending>(kPendingMax);
  std::vector<std::size_t> slots_;  ///< The open ones, by time of call.
  PendingSet optional_;             ///< Those of unknown outcome.
  Frontier<State> now_;             ///< What is possible after the events so far.
  Frontier<State> reached_;         ///< On the way to a return: not there yet.
  Frontier<State> next_;            ///< There.
};

}  // namespace trireme::linear
