#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "mapreduce/cluster/job_book.h"
#include "mapreduce/cluster/journal.h"
#include "mapreduce/cluster/wire.h"
#include "mapreduce/plan/planner.h"

namespace trireme::mapreduce::cluster {

/// A worker's stream. Send and Close may be called from any thread and do not block.
class WorkerLink {
 public:
  virtual ~WorkerLink() = default;
  virtual void Send(const v1::WorkerOrder& order) = 0;
  virtual void Close(absl::Status why) = 0;
};

/// Somebody who follows a job.
class JobWatcher {
 public:
  virtual ~JobWatcher() = default;
  /// False: nobody listens any more.
  virtual bool Send(const v1::JobStatus& status) = 0;
  virtual void Finish(absl::Status status) = 0;
};

/// Watchers hear of a job at most this often, and of its end at once.
inline constexpr plan::TimeMs kWatchIntervalMs = 200;
/// Wall-clock time, for people and across restarts.
std::int64_t UnixMs();

/// Bytes of one frame of a checkpoint, about.
inline constexpr std::size_t kCheckpointFrameBytes = 4u << 20;

/// The coordinator without its sockets and threads: the plan, its journal, the workers' sessions,
/// the jobs' books. Every method is the owner thread's. Calls gather what is to be written, done
/// and answered; EndTurn does it: journal first, then answers and orders.
class Master {
 public:
  using Done = absl::AnyInvocable<void()>;

  /// What the master needs done elsewhere.
  struct Hands {
    /// Milliseconds on a monotonic clock.
    std::function<plan::TimeMs()> now;
    /// The three steps of an output directory, on another thread; `done` is called on the owner's.
    /// The first writes nothing.
    std::function<void(std::string directory, bool overwrite,
                       absl::AnyInvocable<void(absl::Status)> done)>
        check_output;
    std::function<void(std::string directory, absl::AnyInvocable<void(absl::Status)> done)>
        make_output;
    /// `intermediate` is removed, unless it is empty.
    std::function<void(std::string directory, std::string intermediate, bool keep,
                       absl::AnyInvocable<void(absl::Status)> done)>
        finish_output;
  };

  struct Session {
    explicit Session(std::unique_ptr<WorkerLink> to) : link(std::move(to)) {}
    std::unique_ptr<WorkerLink> link;
    plan::WorkerRef worker{};
    bool registered = false;
    std::set<plan::JobId> opened;  ///< JobOpened was sent
    std::set<plan::JobId> placed;  ///< MapOutputs was sent
    std::vector<v1::AttemptProgress> running;
  };

  /// `opened` is null for a coordinator that keeps nothing.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Master>> Create(plan::Limits limits,
                                                                      Hands hands,
                                                                      Journal::Opened opened);

  // Workers.
  void Receive(const std::shared_ptr<Session>& session, v1::WorkerMessage message);
  void Detach(const std::shared_ptr<Session>& session);

  // Users. `reply` is called at the end of the turn, or of a later one.
  void Submit(v1::SubmitJobRequest request,
              absl::AnyInvocable<void(absl::StatusOr<v1::SubmitJobReply>)> reply);
  void Cancel(plan::JobId job, absl::AnyInvocable<void(absl::StatusOr<v1::JobStatus>)> reply);
  void Watch(plan::JobId job, std::unique_ptr<JobWatcher> watcher);
  absl::StatusOr<v1::JobStatus> Status(plan::JobId job) const;
  v1::ListJobsReply Jobs() const;
  std::vector<plan::JobId> JobIds() const { return planner_.Jobs(); }
  v1::ListWorkersReply Workers() const;
  absl::StatusOr<v1::Timeline> Timeline(plan::JobId job) const;

  void Tick();
  /// Not OK: the journal failed. Nothing was answered; the coordinator must stop.
  [[nodiscard]] absl::Status EndTurn();

  /// Cuts the journal down to what restores this state; EndTurn does it when it is worth while.
  /// Between turns only.
  [[nodiscard]] absl::Status Compact();

  std::uint32_t epoch() const { return planner_.epoch(); }
  std::uint64_t journal_bytes() const { return journal_ ? journal_->bytes() : 0; }

 private:
  struct Watched {
    std::unique_ptr<JobWatcher> watcher;
    plan::TimeMs sent_ms = 0;
    std::string last;
  };

  Master(plan::Limits limits, Hands hands, std::unique_ptr<Journal> journal);
  absl::Status Replay(const std::vector<std::string>& batches, const std::string& path);

  plan::Outcome Step(const plan::Event& event) { return planner_.Step(hands_.now(), event); }
  void Answer(const std::shared_ptr<Session>& session, std::uint64_t sequence,
              plan::Outcome outcome, plan::TimeMs lease_ms = 0);
  plan::Outcome Handle(const std::shared_ptr<Session>& session, v1::WorkerMessage& message);
  plan::Outcome Register(const std::shared_ptr<Session>& session, const v1::Register& message);
  plan::Outcome Beat(Session& session, v1::Heartbeat& message);
  plan::Outcome Succeed(const Session& session, const v1::AttemptSucceeded& message);
  void ReleaseForgotten(const std::shared_ptr<Session>& session, const v1::Register& message);
  void TellPlace(const v1::WorkerPlace& place);

  void Admit(v1::SubmitJobRequest request,
             absl::AnyInvocable<void(absl::StatusOr<v1::SubmitJobReply>)> reply);
  absl::Status Validate(const v1::JobSpec& spec, v1::JobDefinition* definition) const;

  absl::Status Write(const std::vector<plan::JournalRecord>& records);
  void CarryOut(const plan::Action& action);
  void Do(const plan::AssignAttempt& action);
  void Do(const plan::CancelAttempt& action);
  void Do(const plan::MapOutputMoved& action);
  void Do(const plan::JobStateChanged& action);
  void Do(const plan::ReleaseJob& action);
  void Open(Session& session, plan::JobId job);
  void TellOutputs(Session& session, plan::JobId job);
  void MakeOutput(plan::JobId job);
  void OnOutputMade(plan::JobId job, const absl::Status& status);
  void Finish(plan::JobId job, bool keep);
  Session* FindSession(plan::WorkerRef worker) const;
  const v1::WorkerPlace* FindPlace(plan::WorkerRef worker) const;

  v1::JobStatus StatusOf(const plan::JobSnapshot& snapshot, const JobEntry& entry) const;
  void AddRunning(plan::JobId job, v1::JobStatus* to) const;
  void TellWatchers();
  bool TellWatcher(const v1::JobStatus& status, bool ended, Watched& watched) const;

  Hands hands_;
  std::unique_ptr<Journal> journal_;
  plan::Planner planner_;
  JobBook book_;
  std::map<plan::WorkerId, std::shared_ptr<Session>> sessions_;
  std::map<plan::WorkerId, v1::WorkerPlace> places_;
  std::map<plan::JobId, std::vector<Watched>> watchers_;
  std::set<std::string> checking_;  ///< output directories of submissions under way
  /// Assignments of jobs whose output directory is being made.
  std::map<plan::JobId, std::vector<plan::AssignAttempt>> held_;
  std::vector<v1::JournalRecord> records_;  ///< the shell's own of this turn
  std::vector<Done> answers_;
};

}  // namespace trireme::mapreduce::cluster
