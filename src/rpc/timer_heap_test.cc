#include "rpc/timer_heap.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <vector>

#include "base/random.h"

namespace trireme::rpc {
namespace {

class Alarm final : public Timer {
 public:
  void OnTimer() override {}
};

Timer::Clock::time_point At(std::uint64_t ms) {
  return Timer::Clock::time_point(std::chrono::milliseconds(ms));
}

/// Beside a map of what is armed, which is searched for the earliest.
TEST(TimerHeapTest, TheEarliestIsFirstWhateverIsArmedAndDisarmed) {
  Random random(7);
  std::vector<Alarm> alarms(50);
  TimerHeap heap;
  std::map<Timer*, Timer::Clock::time_point> armed;
  for (int step = 0; step < 20'000; ++step) {
    Alarm& alarm = alarms[random.Below(alarms.size())];
    if (random.Below(2) == 0) {
      armed[&alarm] = At(random.Below(1000));
      heap.Arm(alarm, armed[&alarm]);
    } else {
      armed.erase(&alarm);
      heap.Disarm(alarm);
    }
    ASSERT_EQ(heap.empty(), armed.empty());
    if (armed.empty()) continue;
    Timer::Clock::time_point earliest = armed.begin()->second;
    for (const auto& [timer, due] : armed) earliest = std::min(earliest, due);
    ASSERT_EQ(heap.due(), earliest);
    ASSERT_EQ(armed.at(&heap.first()), earliest);
  }
}

TEST(TimerHeapTest, TheyComeInTheOrderOfTheirTimes) {
  Random random(8);
  std::vector<Alarm> alarms(500);
  TimerHeap heap;
  for (Alarm& alarm : alarms) heap.Arm(alarm, At(random.Below(100)));
  Timer::Clock::time_point last{};
  for (std::size_t i = 0; i < alarms.size(); ++i) {
    EXPECT_LE(last, heap.due());
    last = heap.due();
    heap.Disarm(heap.first());
  }
  EXPECT_TRUE(heap.empty());
}

}  // namespace
}  // namespace trireme::rpc
