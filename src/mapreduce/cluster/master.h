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
#include "mapreduce/cluster/coordinator_metrics.h"
#include "mapreduce/cluster/job_book.h"
#include "mapreduce/cluster/journal.h"
#include "mapreduce/cluster/output_keeper.h"
#include "mapreduce/cluster/roster.h"
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
/// and answered; EndTurn does it. What promises something (a success is counted, a commit is
/// granted, a job is accepted or over) goes out when the journal has made it durable; what promises
/// nothing (a heartbeat's answer, a further attempt) does not wait for that.
class Master : public std::enable_shared_from_this<Master> {
 public:
  /// Not OK: this master has been closed, and the promise is not made.
  using Done = absl::AnyInvocable<void(const absl::Status& closed)>;

  /// What the master needs done elsewhere.
  struct Hands {
    /// Milliseconds on a monotonic clock that begins as those of other lives of this journal would
    /// go on: what ran when is on record by it.
    std::function<plan::TimeMs()> now;
    /// The three steps of an output directory, on another thread; `done` is called on the owner's.
    /// The first writes nothing.
    std::function<void(std::string directory, bool overwrite,
                       absl::AnyInvocable<void(absl::Status)> done)>
        check_output;
    /// The job's intermediate directory is removed, unless its name is empty.
    std::function<void(JobOutput output, absl::AnyInvocable<void(absl::Status)> done)> make_output;
    std::function<void(JobOutput output, bool keep, absl::AnyInvocable<void(absl::Status)> done)>
        finish_output;
  };

  /// Where it goes on.
  struct Past {
    std::shared_ptr<Journal> journal;  ///< Null for a coordinator that keeps nothing.
    std::vector<std::string> batches;
    /// How long the workers that the last life knew are waited for before any attempt is given
    /// out. Above 0 the journal says who they are.
    plan::TimeMs gather_ms = 0;
  };

  struct Session {
    explicit Session(std::unique_ptr<WorkerLink> to) : link(std::move(to)) {}
    std::unique_ptr<WorkerLink> link;
    plan::WorkerRef worker{};
    bool registered = false;
    std::set<plan::JobId> opened;  ///< JobOpened was sent
    std::set<plan::JobId> placed;  ///< MapOutputs was sent
    std::vector<v1::AttemptProgress> running;
    bool ended = false;       ///< its stream is over
    bool catches_up = false;  ///< its registration was gathered, and is taken up next
  };

  [[nodiscard]] static absl::StatusOr<std::shared_ptr<Master>> Create(plan::Limits limits,
                                                                      Hands hands, Past past);

  // Workers.
  void Receive(const std::shared_ptr<Session>& session, v1::WorkerMessage message);
  void Detach(const std::shared_ptr<Session>& session);

  // Users. `reply` is called at the end of the turn, or of a later one.
  using SubmitReply = absl::AnyInvocable<void(absl::StatusOr<v1::SubmitJobReply>)>;
  void Submit(v1::SubmitJobRequest request, SubmitReply reply);
  void Cancel(plan::JobId job, absl::AnyInvocable<void(absl::StatusOr<v1::JobStatus>)> reply);
  void Watch(plan::JobId job, std::unique_ptr<JobWatcher> watcher);
  absl::StatusOr<v1::JobStatus> Status(plan::JobId job) const;
  v1::ListJobsReply Jobs() const;
  std::vector<plan::JobId> JobIds() const { return planner_.Jobs(); }
  v1::ListWorkersReply Workers() const;
  absl::StatusOr<v1::Timeline> Timeline(plan::JobId job) const;

  void Tick();
  /// Not OK: the journal failed, nothing was promised; the coordinator must stop, or, when it is
  /// ABORTED, close this master, as another leads.
  [[nodiscard]] absl::Status EndTurn();
  /// When the next turn is due if nothing happens.
  plan::TimeMs PatienceMs() const;
  /// Breaks every promise that waits, with `why`, and sends everybody away. Nothing is asked of it
  /// afterwards; what it has begun elsewhere may still come back.
  void Close(const absl::Status& why);

  /// Cuts the journal down to what restores this state; EndTurn does it when it is worth while.
  /// Between turns only.
  [[nodiscard]] absl::Status Compact();

  std::uint32_t epoch() const { return planner_.epoch(); }
  std::uint64_t journal_bytes() const { return journal_ ? journal_->bytes() : 0; }
  /// Of jobs, tasks and workers, in Prometheus's text format.
  void AppendMetrics(io::MetricsPage& page);
  std::uint64_t journal_writes() const { return journal_ ? journal_->writes() : 0; }

 private:
  struct Watched {
    std::unique_ptr<JobWatcher> watcher;
    plan::TimeMs sent_ms = 0;
    std::string last;
  };

  /// What is said at the turn's end.
  struct Said {
    bool promise = false;
    Done done;
  };

  Master(plan::Limits limits, Hands hands, std::shared_ptr<Journal> journal);
  absl::Status Replay(const std::vector<std::string>& batches, const std::string& path);

  plan::Outcome Step(const plan::Event& event) { return planner_.Step(hands_.now(), event); }
  void Answer(const std::shared_ptr<Session>& session, std::uint64_t sequence,
              plan::Outcome outcome, bool promise, plan::TimeMs lease_ms = 0);
  plan::Outcome Handle(const std::shared_ptr<Session>& session, v1::WorkerMessage& message);
  plan::Outcome Register(const std::shared_ptr<Session>& session, const v1::Register& message);
  plan::Outcome Beat(Session& session, v1::Heartbeat& message);
  plan::Outcome Succeed(const Session& session, const v1::AttemptSucceeded& message);
  void ReleaseForgotten(const std::shared_ptr<Session>& session, const v1::Register& message);
  void TellPlace(const v1::WorkerPlace& place);

  void OnChecked(const std::string& directory, const absl::Status& status,
                 v1::SubmitJobRequest request, SubmitReply reply);
  void Admit(v1::SubmitJobRequest request, SubmitReply reply);
  absl::Status Validate(const v1::JobSpec& spec, v1::JobDefinition* definition) const;

  // Gathering.
  void BeginGathering(plan::TimeMs gather_ms);
  void Gather(const std::shared_ptr<Session>& session, v1::WorkerMessage message);
  void EndGathering();
  bool Gathered(plan::WorkerId worker) const;
  void AwaitAgain(const std::shared_ptr<Session>& session);
  bool Enrol(const std::shared_ptr<Session>& session, const v1::WorkerMessage& message);
  void StrikeOff(plan::WorkerId worker);

  // The turn's end.
  absl::Status Write(const std::vector<plan::JournalRecord>& records, bool new_phase);
  void Promise(Done done) { said_.push_back({true, std::move(done)}); }
  void Say(Done done) { said_.push_back({false, std::move(done)}); }
  void Deliver(JournalToken after, Done done);
  JournalToken WaitsFor(const plan::Action& action) const;
  absl::Status Keep();
  static bool PromisesNothing(const plan::Action& action);
  void CarryOut(const plan::Action& action);
  void Do(const plan::AssignAttempt& action);
  void Do(const plan::CancelAttempt& action);
  void Do(const plan::MapOutputMoved& action);
  void Do(const plan::JobStateChanged& action);
  void Do(const plan::ReleaseJob& action);
  void Open(Session& session, plan::JobId job);
  void TellOutputs(Session& session, plan::JobId job);
  JobOutput OutputOf(plan::JobId job) const;
  void MakeOutput(plan::JobId job);
  void OnOutputMade(plan::JobId job, const absl::Status& status);
  void OnOutputReady(plan::JobId job);
  void OnFinished(plan::JobId job, const absl::Status& status);
  void Finish(plan::JobId job, bool keep);
  Session* FindSession(plan::WorkerRef worker) const;
  const v1::WorkerPlace* FindPlace(plan::WorkerRef worker) const;

  v1::JobStatus StatusOf(const plan::JobSnapshot& snapshot, const JobEntry& entry) const;
  void AddRunning(plan::JobId job, v1::JobStatus* to) const;
  void TellWatchers();
  bool TellWatcher(const v1::JobStatus& status, bool ended, Watched& watched) const;

  Hands hands_;
  std::shared_ptr<Journal> journal_;
  JournalToken appended_ = 0;
  JournalToken phase_ = 0;  ///< of the last batch with which a phase began or ended
  plan::Planner planner_;
  JobBook book_;
  std::map<plan::WorkerId, std::shared_ptr<Session>> sessions_;
  std::map<plan::WorkerId, v1::WorkerPlace> places_;
  std::map<plan::JobId, std::vector<Watched>> watchers_;
  /// A submission whose output is being looked at, and what was sent again meanwhile.
  struct Checking {
    std::uint64_t submission = 0;
    std::vector<absl::AnyInvocable<void(const absl::Status& closed)>> again;
  };
  std::map<std::string, Checking> checking_;  ///< by output directory
  /// Assignments of jobs whose output directory is being made.
  std::map<plan::JobId, std::vector<plan::AssignAttempt>> held_;
  std::vector<v1::JournalRecord> records_;  ///< the shell's own of this turn
  std::vector<Said> said_;
  std::multimap<JournalToken, Done> promises_;  ///< by what they wait for
  absl::Status closed_;

  // Of a coordinator with a KV.
  bool keeps_roster_ = false;
  Roster roster_;
  plan::TimeMs gather_until_ms_ = 0;  ///< 0: not gathering
  std::set<plan::WorkerId> awaited_;
  std::set<plan::WorkerId> enrolling_;  ///< on the roster, and that is not durable
  std::vector<std::pair<std::shared_ptr<Session>, v1::WorkerMessage>> gathered_;
  CoordinatorCounts counts_;
};

}  // namespace trireme::mapreduce::cluster
