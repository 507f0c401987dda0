#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "mapreduce/plan/attempts.h"
#include "mapreduce/plan/job.h"
#include "mapreduce/plan/planner.h"
#include "mapreduce/plan/workers.h"

namespace trireme::mapreduce::plan {

/// The planner's inside. Its functions stand by subject in planner.cc (jobs and the outline of a
/// step), worker_events.cc, attempt_events.cc, failures.cc, dispatch.cc, speculation.cc,
/// restore.cc and inspect.cc.
///
/// A handler changes tasks and attempts through the few functions under "attempts' lives"; these
/// Touch the job. When the handler is done the touched jobs are settled (may the next phase start,
/// is the job over, must a lost output be remade) and free slots are filled.
class Planner::State {
 public:
  explicit State(Limits limits);

  Outcome Step(TimeMs now, const Event& event);
  void Tick(TimeMs now);
  Output TakeOutput();

  // restore.cc
  void Replay(const std::vector<JournalRecord>& records, TimeMs now);
  std::vector<JournalRecord> Checkpoint() const;

  // inspect.cc
  std::optional<MapOutput> FindMapOutput(JobId id, std::uint32_t map) const;
  std::vector<JobId> Jobs() const;
  std::optional<JobSnapshot> Snapshot(JobId id) const;
  std::vector<AttemptTrace> Timeline(JobId id) const;
  std::vector<WorkerSnapshot> Workers() const;
  std::size_t MemoryBytes() const;

  std::uint32_t epoch() const { return epoch_; }
  const Limits& limits() const { return limits_; }

 private:
  // planner.cc: time and jobs
  void Advance(TimeMs now);
  void ForgivePause(TimeMs pause_ms);
  void Review();
  Outcome Handle(const JobSubmitted& event);
  Outcome Handle(const JobCancelled& event);
  Job* FindJob(JobId id) const;
  Job& AddJob(JobId id, const JobSpec& spec);
  void EndJob(Job& job, JobState state, std::optional<JobFailure> failure);
  void CloseJob(Job& job, JobState state, std::optional<JobFailure> failure);
  static JobEnded EndOf(const Job& job, JobState state, const std::optional<JobFailure>& failure,
                        TimeMs at_ms);
  void ForgetOldJobs();
  void Touch(Job& job);
  void SettleTouched();
  void Settle(Job& job);
  void RemakeLost(Job& job);
  void Refresh(Job& job);

  // worker_events.cc
  Outcome Handle(const WorkerRegistered& event);
  Outcome Handle(const WorkerHeartbeat& event);
  Outcome Handle(const WorkerGone& event);
  Outcome FindAlive(WorkerRef ref, std::uint32_t* place);
  void StartNewLife(std::uint32_t place, WorkerRef ref);
  void LoseWorker(std::uint32_t place, bool recoverable);
  void RecoverOutputs(std::uint32_t place);
  void ReadListing(std::uint32_t place, const std::vector<AttemptProgress>& running,
                   std::uint32_t most);
  void ReadProgress(std::uint32_t attempt, const AttemptProgress& said);
  void AdoptListed(std::uint32_t place, const AttemptProgress& said, std::uint32_t most);
  void DropUnlisted(std::uint32_t place);
  void ExpireLeases();

  // attempt_events.cc: attempts' lives
  Outcome Handle(const CommitRequested& event);
  Outcome Handle(const AttemptSucceeded& event);
  bool WasIssued(AttemptId id) const;
  bool IsWanted(const Job& job, AttemptRef ref) const;
  std::uint32_t FindOn(std::uint32_t worker, AttemptRef ref) const;
  struct Origin;
  std::uint32_t Start(Job* job, AttemptRef ref, std::uint32_t worker, const Origin& origin,
                      bool attach);
  std::uint32_t OpenBar(Job& job, const RunningAttempt& attempt);
  void Attach(std::uint32_t attempt);
  void Detach(std::uint32_t attempt);
  void CloseBar(RunningAttempt& attempt, AttemptEnd end);
  AttemptSpan SpanOf(const Job& job, const RunningAttempt& attempt) const;
  AttemptOver OverOf(const RunningAttempt& attempt, AttemptEnd end) const;
  void End(std::uint32_t attempt, AttemptEnd end);
  void Cancel(std::uint32_t attempt, CancelReason reason);
  void Succeed(Job& job, AttemptRef ref, std::uint32_t attempt, std::uint32_t worker,
               std::uint64_t output_bytes);
  void RecordSuccess(Job& job, AttemptRef ref, std::uint32_t worker, std::uint64_t output_bytes);
  void MeasureWinner(Job& job, const RunningAttempt& attempt);
  void MeasureSpeed(const Job& job, const RunningAttempt& attempt);
  void UpdateFetched(Job& job, TaskRef ref);
  void LoseOutput(Job& job, std::uint32_t map, bool recoverable);

  // failures.cc
  Outcome Handle(const FetchFailed& event);
  Outcome Handle(const AttemptFailed& event);
  void Fail(std::uint32_t attempt, const AttemptFailed& event, bool still_runs);
  void FailOverFetch(std::uint32_t attempt, const AttemptFailed& event);
  bool RecordFailure(Job& job, const FailureCounted& failure, std::uint32_t worker);
  void SkipIfRepeated(Job& job, TaskRef task, const RecordPosition& record);
  void RecordSkip(Job& job, TaskRef task, const RecordPosition& record);
  Outcome ReportFetch(Job& job, AttemptId reporter, const FetchSource& source);
  void TimeOutAttempts();

  // dispatch.cc
  void Dispatch();
  bool AssignOne();
  bool TryAssign(Job& job, std::uint32_t worker);
  void Assign(Job& job, TaskRef ref, std::uint32_t worker, AttemptKind kind);
  bool IsEligible(const Job& job, std::uint32_t worker) const;
  bool IsBlacklisted(const Job& job, std::uint32_t worker) const;
  std::uint32_t BarredWorkers(const Job& job) const;
  bool Accepts(const Job& job, TaskRef ref, std::uint32_t worker) const;
  bool LeaveToOthers(const Job& job, Phase phase, std::uint32_t worker) const;
  void PreemptForRemakes();
  void PreemptOne(Job& job, std::uint32_t map);

  // speculation.cc
  struct Straggler;
  void Speculate();
  std::vector<Straggler> FindStragglers() const;
  bool BackUp(const Straggler& straggler);
  double UsualMs(const Job& job, Phase phase) const;

  // restore.cc
  void Apply(const EpochStarted& record);
  void Apply(const JobAdmitted& record);
  void Apply(const MapSucceeded& record);
  void Apply(const CommitGranted& record);
  void Apply(const TaskCommitted& record);
  void Apply(const FailureCounted& record);
  void Apply(const RecordSkipped& record);
  void Apply(const JobEnded& record);
  void Apply(const JobForgotten& record);
  void Apply(const AttemptOver& record);
  std::uint32_t ExpectWorker(WorkerRef ref);
  Origin OriginOf(const Job& job, const std::optional<AttemptSpan>& span) const;
  void RestoreBar(Job& job, AttemptRef ref, std::uint32_t worker,
                  const std::optional<AttemptSpan>& span, AttemptEnd end);
  void MakeOldEnough(Job& job);
  void EndIfRunning(AttemptId id, AttemptEnd end);
  void FailIfExhausted(Job& job);
  std::map<JobId, std::size_t> CheckpointedBars() const;
  void CheckpointBars(const Job& job, std::size_t most, std::vector<JournalRecord>* records) const;
  void CheckpointTroubles(const Job& job, std::vector<JournalRecord>* records) const;
  void CheckpointTasks(const Job& job, Phase phase, std::vector<JournalRecord>* records) const;

  Limits limits_;
  std::uint32_t epoch_ = 1;
  std::uint64_t next_sequence_ = 0;
  std::uint64_t next_order_ = 0;
  TimeMs now_ = 0;
  TimeMs reviewed_ms_ = 0;
  bool clock_started_ = false;
  Output output_;

  std::map<JobId, std::unique_ptr<Job>> jobs_;
  std::deque<JobId> ended_;  // in the order in which they ended
  std::uint64_t ended_history_ = 0;
  std::vector<Job*> touched_;
  /// Jobs with an assignable task, in the order in which they are served.
  std::map<Job::OrderKey, Job*> ready_;
  WorkerTable workers_;
  AttemptTable attempts_;
  std::uint32_t backups_running_ = 0;
  /// While records are read: places in their jobs' histories. Only looked up, never iterated.
  absl::flat_hash_map<AttemptId, std::uint32_t> restored_bars_;
};

/// What an attempt begins with.
struct Planner::State::Origin {
  AttemptKind kind = AttemptKind::kNormal;
  std::uint32_t number = 0;
  TimeMs start_ms = 0;
};

}  // namespace trireme::mapreduce::plan
