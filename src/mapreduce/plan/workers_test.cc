#include "mapreduce/plan/workers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "base/random.h"

namespace trireme::mapreduce::plan {
namespace {

// The dumb twin of WorkerTable::free(): sorts all usable workers with a free slot.
std::vector<std::uint32_t> FreeByHand(const WorkerTable& workers) {
  std::vector<std::uint32_t> places;
  for (std::uint32_t i = 0; i < workers.size(); ++i) {
    if (workers.IsUsable(i) && workers[i].attempts.size() < workers[i].slots) places.push_back(i);
  }
  std::sort(places.begin(), places.end(), [&](std::uint32_t a, std::uint32_t b) {
    if (workers.IsSlow(a) != workers.IsSlow(b)) return workers.IsSlow(b);
    const auto free_a = workers[a].slots - workers[a].attempts.size();
    const auto free_b = workers[b].slots - workers[b].attempts.size();
    return free_a != free_b ? free_a > free_b : a < b;
  });
  return places;
}

TEST(WorkerTable, FreeAgreesWithItsTwinAfterAnyChange) {
  Random random(3);
  WorkerTable workers(0.4);
  for (std::uint64_t id = 1; id <= 12; ++id) workers.Add({WorkerId{id}, Incarnation{1}});
  std::uint32_t next_attempt = 0;
  for (int step = 0; step < 5'000; ++step) {
    const auto w = static_cast<std::uint32_t>(random.Below(workers.size()));
    switch (random.Below(5)) {
      case 0:
        workers.SetState(w, random.OneIn(4) ? WorkerState::kLost : WorkerState::kAlive);
        break;
      case 1:
        workers.SetSlots(w, static_cast<std::uint32_t>(random.Below(4)));
        break;
      case 2:
        workers.AddAttempt(w, next_attempt++);
        break;
      case 3:
        if (!workers[w].attempts.empty()) workers.RemoveAttempt(w, workers[w].attempts.front());
        break;
      default:
        workers.Measure(w, random.Unit() * 6);
    }
    std::vector<std::uint32_t> order;
    for (const auto& key : workers.free()) order.push_back(std::get<2>(key));
    ASSERT_EQ(order, FreeByHand(workers)) << step;
    std::uint64_t slots = 0, usable = 0;
    for (std::uint32_t i = 0; i < workers.size(); ++i) {
      usable += workers.IsUsable(i);
      slots += workers.IsUsable(i) ? workers[i].slots : 0;
    }
    ASSERT_EQ(workers.usable(), usable);
    ASSERT_EQ(workers.slots(), slots);
  }
}

TEST(WorkerTable, TwiceMeasuredTenTimesSlowIsSlowAndRecovers) {
  WorkerTable workers(0.4);
  workers.Add({WorkerId{1}, Incarnation{1}});
  workers.Measure(0, 3);
  EXPECT_FALSE(workers.IsSlow(0));  // one long task proves little
  workers.Measure(0, 10);
  EXPECT_TRUE(workers.IsSlow(0));
  for (int i = 0; i < 3; ++i) workers.Measure(0, 1);
  EXPECT_FALSE(workers.IsSlow(0));
}

}  // namespace
}  // namespace trireme::mapreduce::plan
