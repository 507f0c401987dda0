#pragma once

#include <chrono>
#include <cstddef>
#include <vector>

namespace trireme::rpc {

/// An alarm owned by its user, who disarms it before it dies.
class Timer {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~Timer() = default;
  virtual void OnTimer() = 0;

 private:
  friend class TimerHeap;
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  std::size_t place_ = kNowhere;  ///< In the heap.
};

/// Armed timers, the earliest first. Most are disarmed long before they are due, the calls'
/// deadlines, and come in nearly the order of their times: both cost a few moves and no memory.
class TimerHeap {
 public:
  bool empty() const { return heap_.empty(); }
  /// The earliest.
  Timer::Clock::time_point due() const { return heap_.front().due; }
  Timer& first() const { return *heap_.front().timer; }

  /// Moves one that is armed.
  void Arm(Timer& timer, Timer::Clock::time_point due) {
    Disarm(timer);
    heap_.push_back({due, &timer});
    Rise(heap_.size() - 1);
  }
  /// One that is not armed is fine.
  void Disarm(Timer& timer) {
    if (timer.place_ == Timer::kNowhere) return;
    const std::size_t place = timer.place_;
    timer.place_ = Timer::kNowhere;
    const Entry last = heap_.back();
    heap_.pop_back();
    if (place == heap_.size()) return;
    heap_[place] = last;
    Sink(Rise(place));
  }

 private:
  struct Entry {
    Timer::Clock::time_point due;
    Timer* timer;
  };

  void Put(std::size_t place, const Entry& entry) {
    heap_[place] = entry;
    entry.timer->place_ = place;
  }

  std::size_t Rise(std::size_t place) {
    const Entry entry = heap_[place];
    for (; place > 0 && entry.due < heap_[(place - 1) / 2].due; place = (place - 1) / 2)
      Put(place, heap_[(place - 1) / 2]);
    Put(place, entry);
    return place;
  }

  void Sink(std::size_t place) {
    const Entry entry = heap_[place];
    for (std::size_t child = 2 * place + 1; child < heap_.size(); child = 2 * place + 1) {
      if (child + 1 < heap_.size() && heap_[child + 1].due < heap_[child].due) ++child;
      if (entry.due <= heap_[child].due) break;
      Put(place, heap_[child]);
      place = child;
    }
    Put(place, entry);
  }

  std::vector<Entry> heap_;
};

}  // namespace trireme::rpc
