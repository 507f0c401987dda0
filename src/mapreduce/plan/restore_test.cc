#include <gtest/gtest.h>

#include <algorithm>
#include <map>
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

/// The bars of attempts that are over, as text, one for each attempt: one whose worker was held for
/// lost may have had two.
std::map<AttemptId, std::string> BarsOf(const Planner& planner, JobId job) {
  std::map<AttemptId, std::string> bars;
  const TimeMs submitted_ms = planner.Snapshot(job)->submitted_ms;
  for (const AttemptTrace& bar : planner.Timeline(job)) {
    if (bar.end == AttemptEnd::kRunning) {
      bars.erase(bar.attempt.id);
      continue;
    }
    bars[bar.attempt.id] =
        absl::StrCat(Describe(bar.attempt), " number ", bar.number, " ", Name(bar.kind), " on ",
                     static_cast<std::uint64_t>(bar.worker), " ", Name(bar.end), " from ",
                     bar.start_ms - submitted_ms, " to ", bar.end_ms - submitted_ms);
  }
  for (const AttemptTrace& bar : planner.Timeline(job)) {
    if (bar.end == AttemptEnd::kRunning) bars.erase(bar.attempt.id);
  }
  return bars;
}

TEST(Restore, TheTimelineIsThatOfAllLives) {
  std::uint64_t restarts = 0;
  std::size_t ended = 0, bars = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    SimOptions options = SimOptions::Draw(seed);
    options.give_up_ms = 3'000 + static_cast<TimeMs>(seed) * 50;
    SimulatedCluster cluster(options);
    cluster.Run();
    restarts += cluster.restarts();
    const TimeMs now = cluster.now() + 5'000;
    const Planner last = Planner::Restore(cluster.journal(), now);
    const Planner again = Planner::Restore(last.Checkpoint(), now);
    for (const JobId job : last.Jobs()) {
      const auto told = BarsOf(last, job);
      bars += told.size();
      EXPECT_EQ(BarsOf(again, job), told) << seed;
      const JobSnapshot shot = *last.Snapshot(job);
      const JobSnapshot twice = *again.Snapshot(job);
      EXPECT_EQ(twice.submitted_ms, shot.submitted_ms) << seed;
      EXPECT_EQ(twice.ended_ms, shot.ended_ms) << seed;
      EXPECT_EQ(twice.stats.attempts, shot.stats.attempts) << seed;
      if (!HasEnded(shot.state)) continue;
      ++ended;
      EXPECT_EQ(twice.maps_done_ms, shot.maps_done_ms) << seed;
      EXPECT_LE(shot.ended_ms, cluster.now());
      if (!cluster.up()) continue;
      EXPECT_EQ(BarsOf(cluster.planner(), job), told) << seed;
      EXPECT_EQ(cluster.planner().Snapshot(job)->submitted_ms, shot.submitted_ms) << seed;
      EXPECT_EQ(cluster.planner().Snapshot(job)->maps_done_ms, shot.maps_done_ms) << seed;
      EXPECT_EQ(cluster.planner().Snapshot(job)->ended_ms, shot.ended_ms) << seed;
    }
  }
  EXPECT_GT(restarts, 50u);
  EXPECT_GT(ended, 30u);
  EXPECT_GT(bars, 3'000u);
}

/// What the last life assigned and never saw the end of, its worker tells the next.
TEST(Restore, AnAttemptThatIsTakenOverIsWhatItWas) {
  const WorkerRef one{WorkerId{1}, Incarnation{1}};
  const auto attempt = [](std::uint32_t map, std::uint64_t id) {
    return AttemptRef{{JobId{1}, Phase::kMap, map}, MakeAttemptId(1, id)};
  };
  Planner planner = Planner::Restore(
      {EpochStarted{1}, JobAdmitted{JobId{1}, {"", 4, 1}, 10'000},
       MapSucceeded{JobId{1}, 0, {one, attempt(0, 0).id, 5}, AttemptSpan{100, 900, 0}},
       FailureCounted{attempt(1, 1), one, std::nullopt, AttemptSpan{200, 300, 0}}},
      20'000);
  const std::vector<AttemptProgress> running{
      {attempt(1, 3), 0.5, 1, false, 1, AttemptKind::kRetry, 7'000},
      {attempt(2, 2), 0.5, 1, false, 0, AttemptKind::kNormal, 8'000}};
  EXPECT_EQ(planner.Step(20'000, WorkerRegistered{one, 2, "host", running}), Outcome::kOk);
  EXPECT_EQ(planner.Step(21'000, AttemptSucceeded{attempt(2, 2), one, 5}), Outcome::kOk);
  std::vector<std::string> said;
  const TimeMs submitted_ms = planner.Snapshot(JobId{1})->submitted_ms;
  EXPECT_EQ(submitted_ms, 10'000);
  for (const AttemptTrace& bar : planner.Timeline(JobId{1})) {
    said.push_back(absl::StrCat(bar.attempt.task.index, " number ", bar.number, " ", Name(bar.kind),
                                " ", Name(bar.end), " from ", bar.start_ms - submitted_ms));
  }
  EXPECT_EQ(said, (std::vector<std::string>{
                      "0 number 0 normal succeeded from 100", "1 number 0 normal failed from 200",
                      "2 number 0 normal succeeded from 2000", "1 number 1 retry running from 3000",
                      "3 number 0 normal running from 11000"}));
  EXPECT_EQ(planner.Snapshot(JobId{1})->stats.attempts, 5u);
}

/// The journal lost a job's beginning, and the job is submitted again.
TEST(Restore, AnAttemptOfAJobThatWasNotKnownSucceeds) {
  const WorkerRef one{WorkerId{1}, Incarnation{1}};
  const AttemptRef attempt{{JobId{1}, Phase::kMap, 0}, MakeAttemptId(1, 0)};
  Planner planner = Planner::Restore({EpochStarted{1}}, 0);
  EXPECT_EQ(planner.Step(0, WorkerRegistered{one, 1, "host", {{attempt}}}), Outcome::kOk);
  EXPECT_EQ(planner.Step(5, JobSubmitted{JobId{1}, {"", 1, 1}}), Outcome::kOk);
  EXPECT_EQ(planner.Step(9, AttemptSucceeded{attempt, one, 7}), Outcome::kOk);
  EXPECT_EQ(planner.Snapshot(JobId{1})->maps.succeeded, 1u);
}

TEST(Restore, AJobIsAtLeastAsOldAsWhatItHasDone) {
  const WorkerRef one{WorkerId{1}, Incarnation{1}};
  const std::vector<JournalRecord> journal{
      EpochStarted{1}, JobAdmitted{JobId{1}, {"", 1, 1}, 10'000},
      MapSucceeded{JobId{1}, 0, {one, MakeAttemptId(1, 0), 5}, AttemptSpan{100, 4'900, 0}}};
  // By the next leader's clock the job was submitted a second from now.
  const Planner planner = Planner::Restore(journal, 9'000);
  EXPECT_EQ(planner.Snapshot(JobId{1})->submitted_ms, 4'000);
  EXPECT_EQ(planner.Snapshot(JobId{1})->maps_done_ms, 9'000);
}

TEST(Restore, ACheckpointTellsOfSoManyAttemptsOfEndedJobs) {
  const WorkerRef one{WorkerId{1}, Incarnation{1}};
  std::vector<JournalRecord> journal{EpochStarted{1}};
  for (std::uint64_t job = 1; job <= 2; ++job) {
    journal.push_back(JobAdmitted{JobId{job}, {"", 3, 0}, 1});
    for (std::uint32_t map = 0; map < 3; ++map) {
      const AttemptRef attempt{{JobId{job}, Phase::kMap, map}, MakeAttemptId(1, job * 3 + map)};
      journal.push_back(TaskCommitted{attempt, one, 5, AttemptSpan{map, 10, 0}});
    }
    journal.push_back(JobEnded{JobId{job}, JobState::kSucceeded, std::nullopt, {}, 0, 13});
  }
  Limits limits;
  limits.checkpoint_history_max = 4;
  const Planner planner = Planner::Restore(journal, 100, limits);
  EXPECT_EQ(planner.Timeline(JobId{1}).size(), 3u);
  const Planner next = Planner::Restore(planner.Checkpoint(), 100, limits);
  EXPECT_EQ(next.Timeline(JobId{1}).size(), 1u);
  EXPECT_EQ(next.Timeline(JobId{2}).size(), 3u);
  EXPECT_EQ(next.Snapshot(JobId{1})->ended_ms, 14);
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
