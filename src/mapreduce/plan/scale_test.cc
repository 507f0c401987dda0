// The paper's scale (Dean & Ghemawat, OSDI '04, section 3.5 and beyond): 10,000 workers, 200,000
// map and 5,000 reduce tasks in one job, with workers lost at random.

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "base/random.h"
#include "mapreduce/plan/planner.h"

namespace trireme::mapreduce::plan {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::uint32_t kScale = 50;
#else
constexpr std::uint32_t kScale = 1;
#endif
constexpr std::uint32_t kWorkers = 10'000 / kScale;
constexpr std::uint32_t kMaps = 200'000 / kScale;
constexpr std::uint32_t kReduces = 5'000 / kScale;
constexpr std::uint32_t kLosses = kWorkers / 20;
/// What docs/mapreduce-plan.md promises: tasks, timeline and output lists, per task.
constexpr std::size_t kTaskBytesMax = 110;

/// Every worker finishes what it has at a random moment of the next round; some die instead.
class BigCluster {
 public:
  BigCluster() : random_(20041206) {
    for (std::uint32_t w = 0; w < kWorkers; ++w) {
      nodes_.push_back({{WorkerId{w + 1}, Incarnation{1}}});
      Say(WorkerRegistered{nodes_[w].ref, 1, "host"});
    }
    JobSubmitted submitted{JobId{1}};
    submitted.spec.maps = kMaps;
    submitted.spec.reduces = kReduces;
    Say(submitted);
  }

  void Run() {
    while (!ended_ && now_ < 10'000'000) {
      now_ += 300;
      planner_.Tick(now_);
      Take();
      for (std::uint32_t w = 0; w < kWorkers && !ended_; ++w) Turn(w);
    }
  }

  Planner planner_;
  std::set<TaskRef> committed_;
  std::uint32_t losses_ = 0;
  std::uint64_t assignments_ = 0;
  std::size_t bytes_max_ = 0;
  bool ended_ = false;
  bool twice_ = false;

 private:
  struct Node {
    WorkerRef ref;
    std::vector<AttemptRef> running;
  };

  void Turn(std::uint32_t w) {
    Node& node = nodes_[w];
    if (losses_ < kLosses && random_.OneIn(800)) {
      ++losses_;
      node.running.clear();
      node.ref.incarnation = Incarnation{static_cast<std::uint64_t>(node.ref.incarnation) + 1};
      return Say(WorkerRegistered{node.ref, 1, "host"});
    }
    if (node.running.empty() || !random_.OneIn(3)) return Beat(node);
    const AttemptRef done = node.running.back();
    node.running.pop_back();
    if (done.task.phase == Phase::kReduce) Say(CommitRequested{done, node.ref});
    Say(AttemptSucceeded{done, node.ref, 1});
  }

  void Beat(const Node& node) {
    WorkerHeartbeat beat{node.ref, 1};
    for (const AttemptRef& attempt : node.running) beat.running.push_back({attempt, 0.5});
    Say(beat);
  }

  void Say(const Event& event) {
    const Outcome outcome = planner_.Step(now_, event);
    EXPECT_NE(outcome, Outcome::kInvalid);
    Take();
  }

  void Take() {
    const Output output = planner_.TakeOutput();
    for (const auto& record : output.records) {
      if (const auto* commit = std::get_if<TaskCommitted>(&record)) {
        twice_ = !committed_.insert(commit->attempt.task).second || twice_;
      }
    }
    for (const auto& action : output.actions) {
      if (const auto* assign = std::get_if<AssignAttempt>(&action)) {
        ++assignments_;
        Node& node = nodes_[static_cast<std::uint64_t>(assign->worker.id) - 1];
        if (node.ref == assign->worker) node.running.push_back(assign->attempt);
      } else if (const auto* cancel = std::get_if<CancelAttempt>(&action)) {
        Node& node = nodes_[static_cast<std::uint64_t>(cancel->worker.id) - 1];
        std::erase(node.running, cancel->attempt);
        cancelled_.push_back(*cancel);
      } else if (const auto* state = std::get_if<JobStateChanged>(&action)) {
        if (state->state == JobState::kReducing) bytes_max_ = planner_.MemoryBytes();
        ended_ = HasEnded(state->state);
      }
    }
    while (!cancelled_.empty()) {
      const CancelAttempt cancel = cancelled_.back();
      cancelled_.pop_back();
      if (ended_) continue;
      Say(AttemptFailed{cancel.attempt, cancel.worker, FailureKind::kKilled});
    }
  }

  Random random_;
  TimeMs now_ = 0;
  std::vector<Node> nodes_;
  std::vector<CancelAttempt> cancelled_;
};

TEST(Scale, ThePapersJobLosesNothingAndCommitsNothingTwice) {
  BigCluster cluster;
  cluster.Run();
  const JobSnapshot shot = *cluster.planner_.Snapshot(JobId{1});
  EXPECT_EQ(shot.state, JobState::kSucceeded);
  EXPECT_EQ(cluster.committed_.size(), kReduces);
  EXPECT_FALSE(cluster.twice_);
  EXPECT_EQ(cluster.losses_, kLosses);
  EXPECT_GT(shot.stats.outputs_lost, 0u);
  EXPECT_GE(cluster.assignments_, kMaps + kReduces + shot.stats.outputs_lost);
  EXPECT_LT(cluster.bytes_max_ / (kMaps + kReduces), kTaskBytesMax);
  RecordProperty("bytes_per_task", static_cast<int>(cluster.bytes_max_ / (kMaps + kReduces)));
}

}  // namespace
}  // namespace trireme::mapreduce::plan
