#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "mapreduce/plan/describe.h"
#include "mapreduce/plan/simulated_cluster.h"

namespace trireme::mapreduce::plan {
namespace {

/// What a restored plan must agree on, as text.
std::string StateOf(const Planner& planner) {
  std::string text;
  for (const JobId id : planner.Jobs()) {
    const JobSnapshot shot = *planner.Snapshot(id);
    absl::StrAppend(&text, static_cast<std::uint64_t>(id), " ", Name(shot.state), " maps ",
                    shot.maps.succeeded, "/", shot.maps.total, " reduces ", shot.reduces.succeeded,
                    "/", shot.reduces.total, " skipped ", shot.stats.skipped_records, " running ",
                    shot.running_attempts, "\n");
    for (std::uint32_t map = 0; map < shot.maps.total; ++map) {
      const auto output = planner.FindMapOutput(id, map);
      if (!output) continue;
      absl::StrAppend(&text, map, " ", Describe(output->attempt), " ", Describe(output->worker),
                      "\n");
    }
  }
  return text;
}

std::vector<JournalRecord> Join(std::vector<JournalRecord> head,
                                const std::vector<JournalRecord>& tail) {
  head.insert(head.end(), tail.begin(), tail.end());
  return head;
}

TEST(Restore, JournalsCheckpointsAndBothTogetherAgree) {
  std::size_t running = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SimOptions options = SimOptions::Draw(seed);
    options.give_up_ms = 3'000 + static_cast<TimeMs>(seed) * 50;
    SimulatedCluster cluster(options);
    cluster.Run();
    const auto& journal = cluster.journal();
    const Planner once = Planner::Restore(journal, 0);
    const std::string state = StateOf(once);
    const auto checkpoint = once.Checkpoint();
    EXPECT_EQ(StateOf(Planner::Restore(checkpoint, 0)), state) << seed;
    EXPECT_EQ(StateOf(Planner::Restore(Join(journal, journal), 0)), state) << seed;
    EXPECT_EQ(StateOf(Planner::Restore(Join(checkpoint, journal), 0)), state) << seed;
    EXPECT_LE(checkpoint.size(), journal.size()) << seed;
    running += state.find("running 1") != std::string::npos;
  }
  EXPECT_GT(running, 0u);  // some were caught while an attempt held the permission to commit
}

TEST(Restore, EpochsGrowAndNumberTheAttempts) {
  std::vector<JournalRecord> journal;
  std::uint64_t last = 0;
  for (std::uint32_t life = 1; life <= 3; ++life) {
    Planner planner = Planner::Restore(journal, 0);
    EXPECT_EQ(planner.epoch(), life);
    EXPECT_EQ(planner.Step(0, JobSubmitted{JobId{life}, {"", 1, 0}}), Outcome::kOk);
    EXPECT_EQ(planner.Step(0, WorkerRegistered{{WorkerId{life}, Incarnation{1}}}), Outcome::kOk);
    const Output output = planner.TakeOutput();
    for (const auto& action : output.actions) {
      if (const auto* assign = std::get_if<AssignAttempt>(&action)) {
        EXPECT_GT(static_cast<std::uint64_t>(assign->attempt.id), last);
        last = static_cast<std::uint64_t>(assign->attempt.id);
      }
    }
    journal.insert(journal.end(), output.records.begin(), output.records.end());
  }
  EXPECT_GT(last, 0u);
}

TEST(Restore, DurableOutputsOutliveTheirWorkersLife) {
  for (const bool durable : {false, true}) {
    JobSpec spec{"", 2, 1};
    spec.durable_outputs = durable;
    std::vector<JournalRecord> journal{EpochStarted{1}, JobAdmitted{JobId{1}, spec}};
    for (std::uint32_t map = 0; map < 2; ++map) {
      const WorkerRef worker{WorkerId{1}, Incarnation{2 - map}};
      journal.push_back(MapSucceeded{JobId{1}, map, {worker, MakeAttemptId(1, map), 5}});
    }
    const Planner planner = Planner::Restore(journal, 0);
    EXPECT_EQ(planner.Snapshot(JobId{1})->maps.succeeded, durable ? 2u : 1u);
    const Planner again = Planner::Restore(planner.Checkpoint(), 0);
    EXPECT_EQ(again.Snapshot(JobId{1})->maps.succeeded, durable ? 2u : 1u);
  }
}

/// Written down while its worker was out of reach, which then comes back to another leader.
TEST(Restore, AnOutputThatMayComeBackIsInTheCheckpoint) {
  const WorkerRef one{WorkerId{1}, Incarnation{1}};
  Planner planner = Planner::Restore({EpochStarted{1}, JobAdmitted{JobId{1}, {"", 2, 1}},
                                      MapSucceeded{JobId{1}, 0, {one, MakeAttemptId(1, 0), 5}}},
                                     0);
  for (TimeMs now = 0; now <= Limits{}.worker_lease_ms + 100; now += 100) planner.Tick(now);
  EXPECT_EQ(planner.Snapshot(JobId{1})->maps.succeeded, 0u);
  Planner next = Planner::Restore(planner.Checkpoint(), 0);
  EXPECT_EQ(next.Step(0, WorkerRegistered{one, 1, "host"}), Outcome::kOk);
  EXPECT_EQ(next.Snapshot(JobId{1})->maps.succeeded, 1u);
}

TEST(Restore, AWorkerThatCatchesUpKeepsAllItListsAndIsGivenNothing) {
  const WorkerRef one{WorkerId{1}, Incarnation{1}};
  const auto attempt = [](std::uint32_t map) {
    return AttemptRef{{JobId{1}, Phase::kMap, map}, MakeAttemptId(1, map)};
  };
  Planner planner = Planner::Restore({EpochStarted{1}, JobAdmitted{JobId{1}, {"", 5, 1}},
                                      MapSucceeded{JobId{1}, 0, {one, attempt(0).id, 5}}},
                                     0);
  // Its slot: one confirmed too late, two that are over, one that runs.
  WorkerRegistered registered{one, 1, "host", {}, /*catches_up=*/true};
  for (std::uint32_t map = 0; map < 4; ++map) registered.running.push_back({attempt(map)});
  EXPECT_EQ(planner.Step(0, registered), Outcome::kOk);
  EXPECT_EQ(planner.Snapshot(JobId{1})->running_attempts, 3u);
  EXPECT_EQ(planner.Step(0, AttemptSucceeded{attempt(0), one, 5}), Outcome::kDuplicate);
  EXPECT_EQ(planner.Step(0, AttemptSucceeded{attempt(1), one, 5}), Outcome::kOk);
  EXPECT_EQ(planner.Step(0, AttemptSucceeded{attempt(2), one, 5}), Outcome::kOk);
  const auto assigned = [&] {
    const Output output = planner.TakeOutput();
    return std::count_if(output.actions.begin(), output.actions.end(), [](const Action& action) {
      EXPECT_FALSE(std::holds_alternative<CancelAttempt>(action));
      return std::holds_alternative<AssignAttempt>(action);
    });
  };
  EXPECT_EQ(assigned(), 0);
  EXPECT_EQ(planner.Step(0, WorkerHeartbeat{one, 2, {{attempt(3)}}}), Outcome::kOk);
  EXPECT_EQ(assigned(), 1);
}

TEST(Restore, AJobWhoseEndWasNotJournaledEndsNow) {
  const WorkerRef worker{WorkerId{1}, Incarnation{1}};
  const AttemptRef attempt{{JobId{1}, Phase::kMap, 0}, MakeAttemptId(1, 0)};
  std::vector<JournalRecord> journal{EpochStarted{1}, JobAdmitted{JobId{1}, {"", 1, 0, 2}}};
  auto committed = journal;
  committed.push_back(TaskCommitted{attempt, worker, 1});
  EXPECT_EQ(Planner::Restore(committed, 0).Snapshot(JobId{1})->state, JobState::kSucceeded);

  journal.push_back(FailureCounted{attempt, worker, RecordPosition{"in.txt", 5}});
  EXPECT_EQ(Planner::Restore(journal, 0).Snapshot(JobId{1})->state, JobState::kMapping);
  const AttemptRef second{attempt.task, MakeAttemptId(1, 1)};
  journal.push_back(FailureCounted{second, worker, RecordPosition{"in.txt", 5}});
  Planner failed = Planner::Restore(journal, 0);
  EXPECT_EQ(failed.Snapshot(JobId{1})->state, JobState::kFailed);
  const Output output = failed.TakeOutput();
  EXPECT_TRUE(std::holds_alternative<JobEnded>(output.records.back()));
}

}  // namespace
}  // namespace trireme::mapreduce::plan
