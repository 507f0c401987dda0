// How fast the plan decides and how much it remembers, at the paper's scale (Dean & Ghemawat,
// OSDI '04, section 3.5: 200,000 map and 5,000 reduce tasks) on 10,000 workers.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "base/random.h"
#include "mapreduce/plan/planner.h"

namespace trireme::mapreduce::plan {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Scale {
  std::uint32_t workers;
  std::uint32_t slots;
  std::uint32_t maps;
  std::uint32_t reduces;
  std::uint32_t losses;
};

struct Result {
  std::uint64_t assignments = 0;
  std::uint64_t heartbeats = 0;
  std::uint64_t records = 0;
  double decide_seconds = 0;  // steps that report the end of an attempt, and what follows
  double heartbeat_seconds = 0;
  double worst_step_ms = 0;
  std::size_t bytes = 0;
  double restore_seconds = 0;
};

double Seconds(SteadyClock::time_point since) {
  return std::chrono::duration<double>(SteadyClock::now() - since).count();
}

/// One job from submission to its end, with every planner call timed; a simulated round of
/// heartbeats comes between rounds of completions.
class Run {
 public:
  explicit Run(const Scale& scale) : scale_(scale), random_(1) {}

  Result Measure() {
    nodes_.resize(scale_.workers);
    for (std::uint32_t w = 0; w < scale_.workers; ++w) {
      nodes_[w].ref = {WorkerId{w + 1}, Incarnation{1}};
      Say(WorkerRegistered{nodes_[w].ref, scale_.slots, "host"}, &result_.decide_seconds);
    }
    JobSubmitted submitted{JobId{1}};
    submitted.spec.maps = scale_.maps;
    submitted.spec.reduces = scale_.reduces;
    Say(submitted, &result_.decide_seconds);
    while (!ended_) Round();
    const auto start = SteadyClock::now();
    const Planner restored = Planner::Restore(journal_at_half_, now_);
    result_.restore_seconds = Seconds(start);
    return result_;
  }

 private:
  struct Node {
    WorkerRef ref;
    std::vector<AttemptRef> running;
  };

  void Round() {
    now_ += 300;
    const auto start = SteadyClock::now();
    planner_.Tick(now_);
    result_.heartbeat_seconds += Seconds(start);
    Take();
    for (Node& node : nodes_) {
      if (ended_) return;
      if (lost_ < scale_.losses && random_.OneIn(scale_.workers / 2)) {
        Lose(node);
      } else if (!node.running.empty() && random_.OneIn(3)) {
        Finish(node);
      } else {
        Beat(node);
      }
    }
  }

  void Lose(Node& node) {
    ++lost_;
    node.running.clear();
    node.ref.incarnation = Incarnation{static_cast<std::uint64_t>(node.ref.incarnation) + 1};
    Say(WorkerRegistered{node.ref, scale_.slots, "host"}, &result_.decide_seconds);
  }

  void Finish(Node& node) {
    const AttemptRef done = node.running.back();
    node.running.pop_back();
    if (done.task.phase == Phase::kReduce) {
      Say(CommitRequested{done, node.ref}, &result_.decide_seconds);
    }
    Say(AttemptSucceeded{done, node.ref, 1 << 20}, &result_.decide_seconds);
  }

  void Beat(const Node& node) {
    WorkerHeartbeat beat{node.ref, scale_.slots};
    for (const AttemptRef& attempt : node.running) beat.running.push_back({attempt, 0.5});
    ++result_.heartbeats;
    Say(beat, &result_.heartbeat_seconds);
  }

  void Say(const Event& event, double* seconds) {
    const auto start = SteadyClock::now();
    const Outcome outcome = planner_.Step(now_, event);
    const double took = Seconds(start);
    if (outcome == Outcome::kInvalid) std::abort();
    *seconds += took;
    result_.worst_step_ms = std::max(result_.worst_step_ms, took * 1e3);
    Take();
  }

  void Take() {
    const Output output = planner_.TakeOutput();
    result_.records += output.records.size();
    if (journaling_) {
      journal_at_half_.insert(journal_at_half_.end(), output.records.begin(), output.records.end());
    }
    std::vector<CancelAttempt> cancelled;
    for (const Action& action : output.actions) {
      if (const auto* assign = std::get_if<AssignAttempt>(&action)) {
        ++result_.assignments;
        Node& node = nodes_[static_cast<std::uint64_t>(assign->worker.id) - 1];
        if (node.ref == assign->worker) node.running.push_back(assign->attempt);
      } else if (const auto* cancel = std::get_if<CancelAttempt>(&action)) {
        std::erase(nodes_[static_cast<std::uint64_t>(cancel->worker.id) - 1].running,
                   cancel->attempt);
        cancelled.push_back(*cancel);
      } else if (const auto* state = std::get_if<JobStateChanged>(&action)) {
        if (state->state == JobState::kReducing) {
          result_.bytes = planner_.MemoryBytes();
          journaling_ = false;
        }
        ended_ = HasEnded(state->state);
      }
    }
    for (const CancelAttempt& cancel : cancelled) {
      if (ended_) return;
      Say(AttemptFailed{cancel.attempt, cancel.worker, FailureKind::kKilled},
          &result_.decide_seconds);
    }
  }

  const Scale scale_;
  Random random_;
  Planner planner_;
  TimeMs now_ = 0;
  std::vector<Node> nodes_;
  std::vector<JournalRecord> journal_at_half_;  // up to the end of the map phase
  bool journaling_ = true;
  bool ended_ = false;
  std::uint32_t lost_ = 0;
  Result result_;
};

void Print(const Scale& scale, const Result& r) {
  const double tasks = scale.maps + scale.reduces;
  std::printf("%8u %6u %9u %8u %7u | %11.0f %13.0f %9.2f | %10.1f %9.1f %9.2f\n", scale.workers,
              scale.slots, scale.maps, scale.reduces, scale.losses,
              static_cast<double>(r.assignments) / r.decide_seconds,
              static_cast<double>(r.heartbeats) / r.heartbeat_seconds, r.worst_step_ms,
              static_cast<double>(r.bytes) / tasks, static_cast<double>(r.bytes) / (1 << 20),
              r.restore_seconds);
}

int Main() {
  std::printf("%8s %6s %9s %8s %7s | %11s %13s %9s | %10s %9s %9s\n", "workers", "slots", "maps",
              "reduces", "losses", "decisions/s", "heartbeats/s", "worst ms", "bytes/task", "MiB",
              "restore s");
  for (const Scale& scale :
       {Scale{100, 2, 2'000, 50, 0}, Scale{1'000, 2, 20'000, 500, 10},
        Scale{10'000, 1, 200'000, 5'000, 0}, Scale{10'000, 1, 200'000, 5'000, 500},
        Scale{10'000, 4, 2'000'000, 50'000, 500}}) {
    Print(scale, Run(scale).Measure());
  }
  return 0;
}

}  // namespace
}  // namespace trireme::mapreduce::plan

int main() {
  return trireme::mapreduce::plan::Main();
}
