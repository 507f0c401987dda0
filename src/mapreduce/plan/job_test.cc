#include "mapreduce/plan/job.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"

namespace trireme::mapreduce::plan {
namespace {

const auto kAny = [](std::uint32_t) { return true; };

std::uint32_t Take(PhaseTasks& tasks) {
  const std::uint32_t index = tasks.TakeRetry(kAny);
  return index != kNone ? index : tasks.TakeFresh();
}

TEST(PhaseTasks, TriedOnesGoFirstInOrderOfTheirReturn) {
  PhaseTasks tasks;
  tasks.Reset(4);
  for (std::uint32_t i = 0; i < 3; ++i) {
    ASSERT_EQ(tasks.TakeFresh(), i);
    tasks.SetState(i, TaskState::kRunning);
  }
  tasks.WaitAgain(2);
  tasks.WaitAgain(0);
  EXPECT_EQ(tasks.Peek(), 2u);
  EXPECT_EQ(tasks.TakeRetry([](std::uint32_t i) { return i != 2; }), 0u);
  tasks.SetState(0, TaskState::kRunning);
  EXPECT_EQ(Take(tasks), 2u);
  tasks.SetState(2, TaskState::kRunning);
  EXPECT_EQ(Take(tasks), 3u);
  tasks.SetState(3, TaskState::kRunning);
  EXPECT_EQ(Take(tasks), kNone);
  EXPECT_EQ(tasks.Peek(), kNone);
}

// Whatever happens to tasks while they are queued, each waiting one can be taken exactly once.
TEST(PhaseTasks, NoWaitingTaskIsForgottenOrTakenTwice) {
  Random random(11);
  for (int round = 0; round < 300; ++round) {
    PhaseTasks tasks;
    const auto total = static_cast<std::uint32_t>(1 + random.Below(12));
    tasks.Reset(total);
    for (int step = 0; step < 60; ++step) {
      const auto i = static_cast<std::uint32_t>(random.Below(total));
      const TaskState state = tasks[i].state;
      if (random.OneIn(3)) {
        const std::uint32_t taken = Take(tasks);
        if (taken == kNone) continue;
        ASSERT_EQ(tasks[taken].state, TaskState::kWaiting);
        tasks.SetState(taken, TaskState::kRunning);
      } else if (state == TaskState::kWaiting && random.OneIn(3)) {
        tasks.SetState(i, TaskState::kRunning);  // adopted, or its output came back
      } else if (state == TaskState::kRunning) {
        tasks.WaitAgain(i);
      }
    }
    std::set<std::uint32_t> waiting, taken;
    for (std::uint32_t i = 0; i < total; ++i) {
      if (tasks[i].state == TaskState::kWaiting) waiting.insert(i);
    }
    ASSERT_EQ(waiting.size(), tasks.count(TaskState::kWaiting));
    for (std::uint32_t i = Take(tasks); i != kNone; i = Take(tasks)) {
      ASSERT_TRUE(taken.insert(i).second);
      tasks.SetState(i, TaskState::kRunning);
    }
    ASSERT_EQ(taken, waiting);
  }
}

TEST(Job, ReducesWaitForEveryMap) {
  JobSpec spec;
  spec.maps = 2;
  spec.reduces = 1;
  Job job(JobId{1}, 0, spec, 0);
  EXPECT_EQ(job.Assignable(), Phase::kMap);
  job.maps().SetState(0, TaskState::kSucceeded);
  job.maps().SetState(1, TaskState::kRunning);
  EXPECT_EQ(job.Assignable(), std::nullopt);
  job.maps().SetState(1, TaskState::kSucceeded);
  EXPECT_EQ(job.Assignable(), Phase::kReduce);
  job.maps().SetState(1, TaskState::kLost);
  EXPECT_EQ(job.Assignable(), std::nullopt);
}

}  // namespace
}  // namespace trireme::mapreduce::plan
