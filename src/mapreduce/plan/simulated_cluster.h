#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "mapreduce/plan/planner.h"

/// For tests: a cluster in one thread and in simulated time, drawn from one seed. Workers, network
/// and coordinator fail as real ones do; the planner is the real one. Every oracle looks only at
/// what goes in and out of the planner and at what the simulated workers do, not into it.
namespace trireme::mapreduce::plan {

struct SimOptions {
  std::uint64_t seed = 1;
  std::uint32_t workers = 4;
  std::uint32_t slots = 2;
  std::uint32_t jobs = 1;
  std::uint32_t maps = 12;
  std::uint32_t reduces = 4;
  TimeMs task_ms = 1'000;
  double message_loss = 0;   ///< Each way.
  double message_twice = 0;  ///< Arrives again, up to message_late_ms later.
  TimeMs message_late_ms = 50;
  double worker_fault_rate = 0;           ///< Per worker and second: crash, pause or cut-off.
  double coordinator_crash_rate = 0;      ///< Per second.
  double attempt_failure = 0;             ///< Per attempt, at most max_attempts - 1 times per task.
  double attempt_hang = 0;                ///< Counts against the same budget.
  double corrupt_fetch = 0;               ///< Per fetched output, at most once.
  std::map<std::uint32_t, double> speed;  ///< Of these workers; others have 1.
  TimeMs faults_until_ms = 30'000;
  TimeMs give_up_ms = 600'000;
  bool print = false;  ///< The whole trace, to stderr.

  /// A cluster with every fault, all of it drawn from the seed.
  static SimOptions Draw(std::uint64_t seed);
  std::string Text() const;
};

/// Deliberate bugs, introduced between the planner and the cluster: the oracles must see them.
struct SimBug {
  std::function<bool(const JournalRecord&)> lose_record;
  std::function<bool(const AssignAttempt&)> lose_assignment;
  std::function<bool(const AssignAttempt&)> assign_twice;
  bool grant_every_commit = false;
};

class SimulatedCluster {
 public:
  explicit SimulatedCluster(SimOptions options, SimBug bug = {});

  /// Until every job has ended or give_up_ms; then checks what must hold at the end.
  void Run();

  const std::vector<std::string>& violations() const { return violations_; }
  /// Of every event, record and action in order.
  std::uint64_t trace_hash() const { return trace_hash_; }
  TimeMs now() const { return now_; }
  const Planner& planner() const { return *planner_; }
  /// The coordinator is not down.
  bool up() const { return planner_.has_value(); }
  const std::vector<JournalRecord>& journal() const { return journal_; }
  std::uint64_t restarts() const { return restarts_; }
  std::uint64_t remade() const { return remade_; }

 private:
  struct Attempt {
    enum class Stage { kWorking, kAsking, kReporting };
    AttemptRef ref;
    Stage stage = Stage::kWorking;
    double progress = 0;
    std::uint64_t turns = 0;
    bool fails = false;
    bool hangs = false;
    std::map<std::uint32_t, MapOutput> missing;  // reduce: outputs not fetched yet
    TimeMs spoke_ms = -1'000'000;
    std::uint32_t number = 0;
    AttemptKind kind = AttemptKind::kNormal;
    TimeMs born_ms = 0;
  };
  struct Node {
    WorkerRef ref;
    bool up = true;
    bool registered = false;
    TimeMs paused_until_ms = 0;
    TimeMs cut_until_ms = 0;
    TimeMs beat_ms = 0;
    double speed = 1;
    std::map<AttemptId, Attempt> running;
    std::set<std::tuple<JobId, std::uint32_t, AttemptId>> outputs;
  };
  /// What the oracles know of a worker: from delivered events only.
  struct Heard {
    Incarnation incarnation{};
    TimeMs last_ms = 0;
    TimeMs silent_until_ms = -1;  // end of its last silence longer than the lease
  };

  void At(TimeMs when, std::function<void()> what) { queue_[{when, next_++}] = std::move(what); }
  bool Chance(double probability) { return random_.Unit() < probability; }
  TimeMs Delay() { return 1 + static_cast<TimeMs>(random_.Below(options_.message_late_ms)); }
  bool Faulty() const { return now_ < options_.faults_until_ms; }
  bool Reachable(const Node& node) const;

  // the coordinator's shell
  void Flush(std::function<void()> answer);
  void CarryOut(const Action& action);
  void CrashCoordinator();
  void CoordinatorTurn();
  void Deliver(std::uint32_t node, const Event& event);

  // the workers
  void NodeTurn(std::uint32_t node);
  void AttemptTurn(std::uint32_t node, Attempt& attempt);
  bool FetchTurn(std::uint32_t node, Attempt& attempt);
  void Work(std::uint32_t node, Attempt& attempt);
  void Speak(std::uint32_t node, Attempt& attempt);
  void Beat(std::uint32_t node);
  void Fault(std::uint32_t node);
  void Send(std::uint32_t node, const Event& event);
  void Answer(std::uint32_t node, const Event& event, Outcome outcome);
  void Receive(std::uint32_t node, const Action& action);
  void StartAttempt(std::uint32_t node, const AssignAttempt& action);

  // the oracles (simulation_oracles_test.cc)
  void Violation(const std::string& text);
  void Trace(const std::string& line);
  void SeeEvent(const Event& event);
  void SeeWorker(WorkerRef worker);
  void SeeRecord(const JournalRecord& record);
  void SeeAssignment(const AssignAttempt& action);
  void SeeRename(const AttemptRef& attempt);
  void CheckSlots();
  void CheckEnd();
  bool MayBeLost(const TaskRef& map) const;
  std::size_t Running(const TaskRef& task) const;
  bool IsRunning(const AttemptRef& attempt) const;

  SimOptions options_;
  SimBug bug_;
  Random random_;
  TimeMs now_ = 0;
  std::map<std::pair<TimeMs, std::uint64_t>, std::function<void()>> queue_;
  std::uint64_t next_ = 0;
  std::vector<Node> nodes_;
  std::map<TaskRef, std::uint32_t> failures_;  // injected
  Limits limits_;
  std::optional<Planner> planner_;
  std::vector<JournalRecord> journal_;
  TimeMs coordinator_down_until_ms_ = 0;
  bool crash_at_flush_ = false;

  std::vector<std::string> violations_;
  std::uint64_t trace_hash_ = 0xcbf29ce484222325ull;
  std::uint64_t restarts_ = 0;
  std::uint64_t remade_ = 0;
  std::map<WorkerId, Heard> heard_;
  std::set<AttemptId> assigned_;
  std::map<TaskRef, std::pair<MapOutput, TimeMs>> finished_;
  std::set<AttemptId> fetch_reported_;
  std::map<TaskRef, AttemptRef> granted_;
  std::map<TaskRef, int> committed_;
  std::map<TaskRef, std::set<AttemptId>> counted_;
  std::set<AttemptId> ever_granted_;
  std::set<TaskRef> renamed_;
  std::map<JobId, JobState> ended_;
};

}  // namespace trireme::mapreduce::plan
