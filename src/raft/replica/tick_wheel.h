#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace trireme::raft {

/// When something is to be looked at next.
struct TickPlace {
  std::uint64_t due = 0;   ///< At this tick.
  std::uint64_t slot = 0;  ///< It is in the slot of this tick; 0: in none that counts.
};

/// Things that wait for ticks, each for one; T has a member `tick_place`, and outlives the wheel or
/// its wait. To wait longer than before costs nothing until the earlier tick comes; most timers of
/// Raft are put off like that again and again.
template <typename T>
class TickWheel {
 public:
  static constexpr std::uint64_t kSlots = 64;

  /// The tick that it is.
  std::uint64_t now() const { return now_; }

  /// It is due in so many ticks, from 1 on; earlier if that is over kSlots - 1.
  void Wait(T& item, std::uint64_t ticks) {
    TickPlace& place = item.tick_place;
    place.due = now_ + std::clamp<std::uint64_t>(ticks, 1, kSlots - 1);
    if (place.slot == 0 || place.slot > place.due) Put(item);
  }

  /// It is so many ticks later; adds to `due` what has become due. That waits no more.
  void Advance(std::uint64_t ticks, std::vector<T*>* due) {
    for (; ticks > 0; --ticks) {
      ++now_;
      looking_at_.swap(slots_[now_ % kSlots]);
      for (std::size_t i = 0; i < looking_at_.size(); ++i) {
        if (i + kAhead < looking_at_.size()) {
          __builtin_prefetch(&looking_at_[i + kAhead]->tick_place);
        }
        LookAt(*looking_at_[i], due);
      }
      looking_at_.clear();
    }
  }

 private:
  static constexpr std::size_t kAhead = 8;  // What is looked at is seldom in the cache.

  void Put(T& item) {
    item.tick_place.slot = item.tick_place.due;
    slots_[item.tick_place.due % kSlots].push_back(&item);
  }
  void LookAt(T& item, std::vector<T*>* due) {
    TickPlace& place = item.tick_place;
    if (place.slot != now_) return;  // it was moved forward, and has been looked at there
    place.slot = 0;
    if (place.due > now_) return Put(item);
    due->push_back(&item);
  }

  std::uint64_t now_ = 0;
  std::array<std::vector<T*>, kSlots> slots_;
  std::vector<T*> looking_at_;
};

}  // namespace trireme::raft
