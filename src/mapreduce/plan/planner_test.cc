#include "mapreduce/plan/planner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace trireme::mapreduce::plan {
namespace {

WorkerRef W(std::uint64_t id, std::uint64_t life = 1) {
  return {WorkerId{id}, Incarnation{life}};
}

/// A planner with its assignments collected.
class PlannerTest : public testing::Test {
 protected:
  Outcome Step(const Event& event) {
    const Outcome outcome = planner_.Step(now_, event);
    Take();
    return outcome;
  }

  void PassTime(TimeMs by) {
    for (TimeMs until = now_ + by; now_ < until;) {
      now_ += 100;
      planner_.Tick(now_);
      Take();
    }
  }

  void Take() {
    const Output output = planner_.TakeOutput();
    for (const auto& action : output.actions) {
      if (const auto* a = std::get_if<AssignAttempt>(&action)) assigned_.push_back(*a);
      if (const auto* a = std::get_if<CancelAttempt>(&action)) cancelled_.push_back(*a);
    }
  }

  Outcome Submit(std::uint64_t id, std::uint32_t maps, std::uint32_t reduces,
                 JobSpec spec = JobSpec{}) {
    spec.maps = maps;
    spec.reduces = reduces;
    return Step(JobSubmitted{JobId{id}, spec});
  }

  Outcome Register(std::uint64_t id, std::uint32_t slots) {
    return Step(WorkerRegistered{W(id), slots, "host"});
  }

  Outcome Done(const AssignAttempt& a) { return Step(AttemptSucceeded{a.attempt, a.worker, 1}); }
  Outcome Fail(const AssignAttempt& a, FailureKind kind = FailureKind::kUserCode) {
    return Step(AttemptFailed{a.attempt, a.worker, kind, "exit status 1", "tail"});
  }

  void UseLimits(const Limits& limits) { planner_ = Planner(limits); }

  TimeMs now_ = 0;
  Planner planner_;
  std::vector<AssignAttempt> assigned_;
  std::vector<CancelAttempt> cancelled_;
};

TEST_F(PlannerTest, RefusesWhatIsOutOfRangeAndChangesNothing) {
  Limits limits;
  limits.tasks_max = 10;
  limits.jobs_max = 1;
  limits.workers_max = 1;
  UseLimits(limits);
  JobSpec spec;
  spec.max_attempts = 0;
  EXPECT_EQ(Submit(1, 1, 1, spec), Outcome::kInvalid);
  EXPECT_EQ(Submit(1, 6, 5), Outcome::kOverLimit);
  EXPECT_EQ(Submit(1, UINT32_MAX, UINT32_MAX), Outcome::kOverLimit);
  EXPECT_EQ(Submit(1, 5, 5), Outcome::kOk);
  EXPECT_EQ(Submit(1, 5, 5), Outcome::kDuplicate);
  EXPECT_EQ(Submit(2, 1, 1), Outcome::kOverLimit);
  EXPECT_EQ(Register(1, 1), Outcome::kOk);
  EXPECT_EQ(Register(2, 1), Outcome::kOverLimit);
  EXPECT_EQ(planner_.Jobs().size(), 1u);
}

TEST_F(PlannerTest, AnswersStrangersByName) {
  const AttemptRef nothing{{JobId{9}, Phase::kMap, 0}, MakeAttemptId(1, 0)};
  EXPECT_EQ(Step(WorkerHeartbeat{W(1)}), Outcome::kUnknownWorker);
  EXPECT_EQ(Step(AttemptSucceeded{nothing, W(1)}), Outcome::kUnknownWorker);
  Register(1, 1);
  EXPECT_EQ(Step(AttemptSucceeded{nothing, W(1)}), Outcome::kUnknownJob);
  EXPECT_EQ(Step(CommitRequested{nothing, W(1)}), Outcome::kUnknownJob);
  EXPECT_EQ(Step(AttemptFailed{nothing, W(1)}), Outcome::kUnknownJob);
  EXPECT_EQ(Step(JobCancelled{JobId{9}}), Outcome::kUnknownJob);
  EXPECT_EQ(Step(WorkerHeartbeat{W(1, 0)}), Outcome::kStaleIncarnation);
  EXPECT_EQ(Step(WorkerHeartbeat{W(1, 2)}), Outcome::kUnknownWorker);
  Submit(1, 2, 1);
  const AttemptRef beyond{{JobId{1}, Phase::kMap, 7}, MakeAttemptId(1, 0)};
  EXPECT_EQ(Step(AttemptSucceeded{beyond, W(1)}), Outcome::kInvalid);
  const AttemptRef future{{JobId{1}, Phase::kMap, 1}, MakeAttemptId(7, 0)};
  EXPECT_EQ(Step(AttemptSucceeded{future, W(1)}), Outcome::kUnknownAttempt);
  const AttemptRef wrong_task{{JobId{1}, Phase::kMap, 1}, assigned_[0].attempt.id};
  EXPECT_EQ(Step(AttemptFailed{wrong_task, W(1)}), Outcome::kUnknownAttempt);
  EXPECT_EQ(planner_.Snapshot(JobId{1})->maps.succeeded, 0u);
}

TEST_F(PlannerTest, ForgedListingsCostNothing) {
  Register(1, 2);
  Submit(1, 1, 0);
  WorkerHeartbeat beat{W(1), 2};
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    beat.running.push_back({{{JobId{i}, Phase::kReduce, 5}, MakeAttemptId(1, i)}, 0.5});
  }
  EXPECT_EQ(Step(beat), Outcome::kOk);
  EXPECT_EQ(planner_.Workers()[0].busy, 1u);
  // The ids that were forged are assigned later all the same.
  Submit(2, 100, 0);
  Register(2, 50);
  EXPECT_EQ(assigned_.size(), 52u);
}

TEST_F(PlannerTest, SecondSuccessIsDuplicateAndNotCounted) {
  Register(1, 1);
  Submit(1, 2, 1);
  const AssignAttempt first = assigned_[0];
  EXPECT_EQ(Done(first), Outcome::kOk);
  EXPECT_EQ(Done(first), Outcome::kDuplicate);
  EXPECT_EQ(planner_.Snapshot(JobId{1})->maps.succeeded, 1u);
  EXPECT_EQ(planner_.Snapshot(JobId{1})->stats.map_output_bytes, 1u);
}

TEST_F(PlannerTest, SuccessWithoutPermissionIsRefused) {
  Register(1, 1);
  Submit(1, 1, 0);
  EXPECT_EQ(Done(assigned_[0]), Outcome::kInvalid);
  EXPECT_EQ(Step(CommitRequested{assigned_[0].attempt, W(1)}), Outcome::kCommitGranted);
  EXPECT_EQ(Step(CommitRequested{assigned_[0].attempt, W(1)}), Outcome::kCommitGranted);
  EXPECT_EQ(Done(assigned_[0]), Outcome::kOk);
}

TEST_F(PlannerTest, AMapAskingToCommitInAJobWithReducesIsInvalid) {
  Register(1, 1);
  Submit(1, 1, 1);
  EXPECT_EQ(Step(CommitRequested{assigned_[0].attempt, W(1)}), Outcome::kInvalid);
}

TEST_F(PlannerTest, EqualPrioritiesNeverDifferByMoreThanASlot) {
  Submit(1, 200, 0);
  Submit(2, 200, 0);
  Register(1, 10);
  std::map<JobId, int> held;
  EXPECT_EQ(assigned_.size(), 10u);
  for (std::size_t i = 0; i < 200; ++i) {
    if (i >= 10) {
      const AssignAttempt done = assigned_[i - 10];
      Step(CommitRequested{done.attempt, done.worker});
      Done(done);
      --held[done.attempt.task.job];
    }
    ++held[assigned_.at(i).attempt.task.job];
    EXPECT_LE(std::abs(held[JobId{1}] - held[JobId{2}]), 1) << i;
  }
}

TEST_F(PlannerTest, SlotsAreNeverOversubscribedAndDrainingEmptiesThem) {
  Submit(1, 20, 0);
  Register(1, 3);
  EXPECT_EQ(assigned_.size(), 3u);
  Step(WorkerHeartbeat{W(1), 0});
  Fail(assigned_[0], FailureKind::kKilled);
  EXPECT_EQ(assigned_.size(), 3u);
  Step(WorkerHeartbeat{W(1), 3});
  EXPECT_EQ(assigned_.size(), 4u);
}

TEST_F(PlannerTest, FailedJobSaysWhichTaskAndWhy) {
  Register(1, 1);
  Submit(1, 1, 1);
  for (int i = 0; i < 4; ++i) {
    AttemptFailed failed{
        assigned_.back().attempt,    W(1), FailureKind::kUserCode, "segfault", "last words",
        RecordPosition{"in.txt", 42}};
    EXPECT_EQ(Step(failed), Outcome::kOk);
  }
  const JobSnapshot shot = *planner_.Snapshot(JobId{1});
  ASSERT_EQ(shot.state, JobState::kFailed);
  EXPECT_EQ(shot.failure->message,
            "map task 0 failed 4 times, at last: segfault (at in.txt, offset 42)");
  EXPECT_EQ(shot.failure->stderr_tail, "last words");
  EXPECT_EQ(shot.stats.failures, 4u);
  EXPECT_EQ(assigned_.size(), 4u);
}

TEST_F(PlannerTest, BadInputFailsTheJobAtOnce) {
  Register(1, 1);
  Submit(1, 1, 1);
  Fail(assigned_[0], FailureKind::kBadInput);
  const JobSnapshot shot = *planner_.Snapshot(JobId{1});
  ASSERT_EQ(shot.state, JobState::kFailed);
  EXPECT_EQ(shot.failure->message, "map task 0 failed 1 time: exit status 1");
  EXPECT_EQ(assigned_.size(), 1u);
}

TEST_F(PlannerTest, KilledAttemptsDoNotCount) {
  Register(1, 1);
  Submit(1, 1, 1);
  for (int i = 0; i < 20; ++i) Fail(assigned_.back(), FailureKind::kKilled);
  EXPECT_EQ(planner_.Snapshot(JobId{1})->state, JobState::kMapping);
  EXPECT_EQ(planner_.Snapshot(JobId{1})->stats.killed, 20u);
}

TEST_F(PlannerTest, AHangingAttemptTimesOutAndCountsAndItsSlotStaysHeld) {
  Limits limits;
  limits.worker_lease_ms = 0;
  UseLimits(limits);
  JobSpec spec;
  spec.task_timeout_ms = 1'000;
  Register(1, 2);
  Submit(1, 1, 0, spec);
  PassTime(1'200);
  ASSERT_EQ(cancelled_.size(), 1u);
  EXPECT_EQ(cancelled_[0].reason, CancelReason::kTimeout);
  EXPECT_EQ(planner_.Snapshot(JobId{1})->stats.failures, 1u);
  EXPECT_EQ(assigned_.size(), 2u);  // on the other slot
  EXPECT_EQ(planner_.Workers()[0].busy, 2u);
  EXPECT_EQ(Done(assigned_[0]), Outcome::kUnknownAttempt);  // too late, and its slot is free
  EXPECT_EQ(planner_.Workers()[0].busy, 1u);
}

TEST_F(PlannerTest, ABadWorkerIsBarredFromTheJobButNotFromOthers) {
  for (std::uint64_t w = 1; w <= 4; ++w) Register(w, 1);
  JobSpec spec;
  spec.backup_tasks = false;
  Submit(1, 50, 0, spec);
  int on_bad = 0;
  for (std::size_t i = 0; i < assigned_.size() && i < 40; ++i) {
    const AssignAttempt a = assigned_[i];
    if (a.worker == W(1)) {
      ++on_bad;
      Fail(a, FailureKind::kInternal);
    } else {
      Step(CommitRequested{a.attempt, a.worker});
      Done(a);
    }
  }
  EXPECT_EQ(on_bad, 3);
  Submit(2, 1, 0, spec);
  EXPECT_EQ(assigned_.back().worker, W(1));
  EXPECT_EQ(assigned_.back().attempt.task.job, JobId{2});
}

TEST_F(PlannerTest, APausedPlanDeclaresNobodyLost) {
  Register(1, 1);
  Submit(1, 1, 1);
  now_ += 60'000;
  planner_.Tick(now_);
  EXPECT_TRUE(planner_.Workers()[0].alive);
  PassTime(3'100);  // now it does run, and hears nothing
  EXPECT_FALSE(planner_.Workers()[0].alive);
}

TEST_F(PlannerTest, AnAssignmentThatNeverArrivedIsMadeAgain) {
  Register(1, 1);
  Submit(1, 1, 1);
  ASSERT_EQ(assigned_.size(), 1u);
  for (int i = 0; i < 6; ++i) {
    PassTime(300);
    Step(WorkerHeartbeat{W(1), 1});
  }
  EXPECT_EQ(assigned_.size(), 2u);
  EXPECT_EQ(assigned_[1].attempt.task, assigned_[0].attempt.task);
  EXPECT_EQ(planner_.Snapshot(JobId{1})->stats.failures, 0u);
}

TEST_F(PlannerTest, ASuccessThatOutlivedItsLeaseIsTaken) {
  Register(1, 1);
  Submit(1, 1, 1);
  PassTime(3'200);
  EXPECT_FALSE(planner_.Workers()[0].alive);
  EXPECT_EQ(Done(assigned_[0]), Outcome::kUnknownWorker);
  Step(WorkerRegistered{W(1), 1, "host", {{assigned_[0].attempt, 1.0}}});
  EXPECT_EQ(assigned_.size(), 1u);  // taken over, not assigned anew
  EXPECT_EQ(Done(assigned_[0]), Outcome::kOk);
  EXPECT_EQ(planner_.Snapshot(JobId{1})->state, JobState::kReducing);
}

TEST_F(PlannerTest, AnOutputThatCanNeverBeFetchedFailsTheJob) {
  Register(1, 2);
  Register(2, 2);
  JobSpec spec;
  spec.backup_tasks = false;
  Submit(1, 1, 1, spec);
  Done(assigned_[0]);
  const AssignAttempt reduce = assigned_[1];
  for (int i = 0; i < 100 && planner_.Snapshot(JobId{1})->state == JobState::kReducing; ++i) {
    const auto output = planner_.FindMapOutput(JobId{1}, 0);
    ASSERT_TRUE(output);
    Step(FetchFailed{reduce.attempt, reduce.worker, 0, output->attempt, true});
    if (planner_.Snapshot(JobId{1})->state == JobState::kReducing) Done(assigned_.back());
  }
  EXPECT_EQ(planner_.Snapshot(JobId{1})->state, JobState::kFailed);
  EXPECT_EQ(assigned_.size(), 2 + planner_.limits().fetch_remakes_max);
}

TEST_F(PlannerTest, DurableOutputsOutliveTheirWorker) {
  JobSpec spec;
  spec.durable_outputs = true;
  Register(1, 1);
  Submit(1, 2, 1, spec);
  for (int map = 0; map < 2; ++map) EXPECT_EQ(Done(assigned_.back()), Outcome::kOk);
  EXPECT_EQ(assigned_.back().attempt.task.phase, Phase::kReduce);
  EXPECT_EQ(Step(WorkerGone{W(1)}), Outcome::kOk);
  Register(2, 1);
  EXPECT_EQ(assigned_.size(), 4u);
  EXPECT_EQ(assigned_.back().attempt.task.phase, Phase::kReduce);
  EXPECT_EQ(assigned_.back().worker, W(2));
  EXPECT_EQ(planner_.FindMapOutput(JobId{1}, 0)->attempt, assigned_[0].attempt.id);
  EXPECT_EQ(planner_.Snapshot(JobId{1})->stats.outputs_lost, 0u);
  // One that cannot be fetched is made again all the same.
  const AttemptRef reduce = assigned_.back().attempt;
  EXPECT_EQ(Step(FetchFailed{reduce, W(2), 1, assigned_[1].attempt.id, /*corrupt=*/true}),
            Outcome::kOk);
  EXPECT_EQ(planner_.Snapshot(JobId{1})->stats.outputs_lost, 1u);
}

TEST_F(PlannerTest, OldEndedJobsAreForgotten) {
  Limits limits;
  limits.ended_jobs_max = 2;
  UseLimits(limits);
  Register(1, 1);
  for (std::uint64_t id = 1; id <= 4; ++id) {
    Submit(id, 1, 0);
    Step(JobCancelled{JobId{id}});
    Fail(assigned_.back(), FailureKind::kKilled);
  }
  EXPECT_EQ(planner_.Jobs(), (std::vector{JobId{3}, JobId{4}}));
  EXPECT_EQ(planner_.Workers()[0].busy, 0u);
}

TEST_F(PlannerTest, AListingThatCrossedTheFinalReportCostsNoSlot) {
  Register(1, 1);
  Submit(1, 2, 1);
  Done(assigned_[0]);
  Step(WorkerHeartbeat{W(1), 1, {{assigned_[0].attempt, 1.0}, {assigned_[1].attempt, 0.1}}});
  EXPECT_TRUE(cancelled_.empty());
  EXPECT_EQ(planner_.Workers()[0].busy, 1u);
}

TEST_F(PlannerTest, ACancelledAttemptHoldsItsSlotUntilItIsListedNoMore) {
  Register(1, 1);
  Submit(1, 1, 1);
  const AssignAttempt cancelled = assigned_[0];
  PassTime(100);
  Step(WorkerHeartbeat{W(1), 1, {{cancelled.attempt, 0.1}}});
  Step(JobCancelled{JobId{1}});
  Submit(2, 1, 1);
  PassTime(300);
  Step(WorkerHeartbeat{W(1), 1, {{cancelled.attempt, 0.2}}});
  EXPECT_EQ(cancelled_.size(), 2u);  // said again: the first word may have been lost
  EXPECT_EQ(assigned_.size(), 1u);
  PassTime(300);
  Step(WorkerHeartbeat{W(1), 1});
  EXPECT_EQ(assigned_.size(), 2u);
}

TEST_F(PlannerTest, TheTimelineHasEveryAttempt) {
  Register(1, 1);
  Submit(1, 1, 0);
  PassTime(200);
  Fail(assigned_[0]);
  PassTime(300);
  Step(CommitRequested{assigned_[1].attempt, W(1)});
  Done(assigned_[1]);
  const auto bars = planner_.Timeline(JobId{1});
  ASSERT_EQ(bars.size(), 2u);
  EXPECT_EQ(bars[0].end, AttemptEnd::kFailed);
  EXPECT_EQ(bars[0].end_ms, 200);
  EXPECT_EQ(bars[1].kind, AttemptKind::kRetry);
  EXPECT_EQ(bars[1].start_ms, 200);
  EXPECT_EQ(bars[1].end_ms, 500);
  EXPECT_EQ(bars[1].end, AttemptEnd::kSucceeded);
}

}  // namespace
}  // namespace trireme::mapreduce::plan
