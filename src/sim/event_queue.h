#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/check.h"
#include "sim/time.h"

namespace trireme::sim {

enum class EventKind : std::uint8_t {
  kTick,       ///< who: node, what: its life
  kDeliver,    ///< what: packet
  kDisk,       ///< who: node, what: its life. A write and its sync are over.
  kStart,      ///< who: node
  kWake,       ///< who: client, what: its turn
  kFault,      ///< who: kind of fault, above it the place of the faults
  kFaultEnds,  ///< who: place of the faults, what: number of the fault
};

struct Event {
  Micros at = 0;
  std::uint64_t order = 0;  ///< Of two at one instant, the one that was added first comes first.
  EventKind kind = EventKind::kTick;
  std::uint32_t who = 0;
  std::uint64_t what = 0;
};

/// What will happen, and when. The only clock there is.
class EventQueue {
 public:
  Micros now() const { return now_; }
  bool empty() const { return heap_.empty(); }
  Micros next_at() const { return heap_.front().at; }

  void Add(Micros at, EventKind kind, std::uint32_t who, std::uint64_t what = 0) {
    heap_.push_back({std::max(at, now_), ++order_, kind, who, what});
    std::push_heap(heap_.begin(), heap_.end(), Later);
  }
  void After(Micros delay, EventKind kind, std::uint32_t who, std::uint64_t what = 0) {
    Add(now_ + delay, kind, who, what);
  }

  Event Take() {
    TRIREME_CHECK(!heap_.empty());
    std::pop_heap(heap_.begin(), heap_.end(), Later);
    const Event event = heap_.back();
    heap_.pop_back();
    now_ = event.at;
    return event;
  }
  /// Nothing happens before `time`.
  void AdvanceTo(Micros time) { now_ = std::max(now_, time); }

 private:
  static bool Later(const Event& a, const Event& b) {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }

  Micros now_ = 0;
  std::uint64_t order_ = 0;
  std::vector<Event> heap_;
};

}  // namespace trireme::sim
