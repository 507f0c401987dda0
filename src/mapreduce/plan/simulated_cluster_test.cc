#include "mapreduce/plan/simulated_cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "mapreduce/plan/describe.h"

namespace trireme::mapreduce::plan {
namespace {

constexpr TimeMs kTurnMs = 100;
constexpr TimeMs kBeatMs = 300;
constexpr TimeMs kRetryMs = 500;
constexpr TimeMs kFetchRetryMs = 1'000;
constexpr TimeMs kTaskTimeoutMs = 8'000;

}  // namespace

SimOptions SimOptions::Draw(std::uint64_t seed) {
  Random random(seed * 0x9E3779B97F4A7C15ull + 1);
  const auto up_to = [&](std::uint64_t max) { return random.Below(max + 1); };
  SimOptions o;
  o.seed = seed;
  o.workers = 2 + static_cast<std::uint32_t>(up_to(8));
  o.slots = 1 + static_cast<std::uint32_t>(up_to(3));
  o.jobs = 1 + static_cast<std::uint32_t>(up_to(2));
  o.maps = static_cast<std::uint32_t>(up_to(30));
  o.reduces = static_cast<std::uint32_t>(up_to(10));
  o.task_ms = 100 + static_cast<TimeMs>(up_to(2'500));
  o.message_loss = random.OneIn(3) ? 0 : random.Unit() * 0.2;
  o.message_twice = random.OneIn(3) ? 0 : random.Unit() * 0.2;
  o.message_late_ms = random.OneIn(3) ? 10 : 1 + static_cast<TimeMs>(up_to(1'000));
  o.worker_fault_rate = random.OneIn(4) ? 0 : random.Unit() * 0.1;
  o.coordinator_crash_rate = random.OneIn(2) ? 0 : random.Unit() * 0.2;
  o.attempt_failure = random.OneIn(2) ? 0 : random.Unit() * 0.3;
  o.attempt_hang = random.OneIn(2) ? 0 : random.Unit() * 0.05;
  o.corrupt_fetch = random.OneIn(2) ? 0 : random.Unit() * 0.01;
  if (random.OneIn(2)) o.speed[static_cast<std::uint32_t>(up_to(o.workers - 1))] = 0.1;
  return o;
}

std::string SimOptions::Text() const {
  return absl::StrCat("seed ", seed, ": workers ", workers, " slots ", slots, " jobs ", jobs,
                      " maps ", maps, " reduces ", reduces, " task_ms ", task_ms, " loss ",
                      message_loss, " twice ", message_twice, " late ", message_late_ms,
                      " worker faults ", worker_fault_rate, " coordinator crashes ",
                      coordinator_crash_rate, " failures ", attempt_failure, " hangs ",
                      attempt_hang, " corrupt ", corrupt_fetch, " slow ", speed.size());
}

SimulatedCluster::SimulatedCluster(SimOptions options, SimBug bug)
    : options_(std::move(options)), bug_(std::move(bug)), random_(options_.seed) {
  limits_.fetch_remakes_max = 1'000;  // the simulated network may be bad for long
  planner_.emplace(limits_);
  for (std::uint32_t i = 0; i < options_.workers; ++i) {
    Node node;
    node.ref = {WorkerId{i + 1}, Incarnation{1}};
    if (const auto slow = options_.speed.find(i); slow != options_.speed.end()) {
      node.speed = slow->second;
    }
    nodes_.push_back(std::move(node));
    At(random_.Below(kTurnMs), [this, i] { NodeTurn(i); });
  }
  for (std::uint32_t j = 1; j <= options_.jobs; ++j) {
    JobSubmitted submitted{JobId{j}};
    submitted.spec.maps = options_.maps;
    submitted.spec.reduces = options_.reduces;
    submitted.spec.task_timeout_ms = kTaskTimeoutMs;
    submitted.spec.skip_bad_records = random_.OneIn(2);
    // A submitter repeats itself until it is answered; the coordinator may be down.
    for (TimeMs when = 1; when < 5'000; when += 1'000) {
      At(when, [this, submitted] { Deliver(UINT32_MAX, submitted); });
    }
  }
  At(0, [this] { CoordinatorTurn(); });
}

void SimulatedCluster::Run() {
  while (!queue_.empty() && violations_.empty() && now_ < options_.give_up_ms &&
         ended_.size() < options_.jobs) {
    auto first = queue_.begin();
    now_ = first->first.first;
    const auto what = std::move(first->second);
    queue_.erase(first);
    what();
  }
  CheckEnd();
}

bool SimulatedCluster::Reachable(const Node& node) const {
  return node.up && now_ >= node.paused_until_ms && now_ >= node.cut_until_ms;
}

// ---- the coordinator's shell

void SimulatedCluster::CoordinatorTurn() {
  At(now_ + kTurnMs, [this] { CoordinatorTurn(); });
  if (now_ < coordinator_down_until_ms_) return;
  if (!planner_) {
    planner_ = Planner::Restore(journal_, now_, limits_);
    ++restarts_;
    Trace("coordinator restarts");
  }
  if (Faulty() && Chance(options_.coordinator_crash_rate * kTurnMs / 1'000)) crash_at_flush_ = true;
  planner_->Tick(now_);
  Flush([] {});
}

/// Makes records durable, carries out actions, answers. A crash may come before or after the first.
void SimulatedCluster::Flush(std::function<void()> answer) {
  const Output output = planner_->TakeOutput();
  if (crash_at_flush_ && random_.OneIn(2)) return CrashCoordinator();
  for (const JournalRecord& record : output.records) {
    Trace(Describe(record));
    SeeRecord(record);
    if (!bug_.lose_record || !bug_.lose_record(record)) journal_.push_back(record);
  }
  if (crash_at_flush_) return CrashCoordinator();
  for (const Action& action : output.actions) {
    Trace(Describe(action));
    CarryOut(action);
  }
  CheckSlots();
  answer();
}

void SimulatedCluster::CrashCoordinator() {
  Trace("coordinator crashes");
  crash_at_flush_ = false;
  planner_.reset();
  coordinator_down_until_ms_ = now_ + static_cast<TimeMs>(random_.Below(2'000));
}

void SimulatedCluster::CarryOut(const Action& action) {
  const WorkerRef* to = nullptr;
  if (const auto* assign = std::get_if<AssignAttempt>(&action)) {
    SeeAssignment(*assign);
    if (bug_.lose_assignment && bug_.lose_assignment(*assign)) return;
    if (bug_.assign_twice && bug_.assign_twice(*assign)) SeeAssignment(*assign);
    to = &assign->worker;
  } else if (const auto* cancel = std::get_if<CancelAttempt>(&action)) {
    to = &cancel->worker;
  }
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (to != nullptr && nodes_[i].ref.id != to->id) continue;
    if (Faulty() && Chance(options_.message_loss)) continue;
    At(now_ + Delay(), [this, i, action] { Receive(i, action); });
  }
}

void SimulatedCluster::Deliver(std::uint32_t node, const Event& event) {
  if (!planner_) return;
  Trace(Describe(event));
  SeeEvent(event);
  Outcome outcome = planner_->Step(now_, event);
  if (bug_.grant_every_commit && outcome == Outcome::kCommitWait) outcome = Outcome::kCommitGranted;
  Trace(Name(outcome));
  Flush([&] {
    if (node == UINT32_MAX || (Faulty() && Chance(options_.message_loss))) return;
    const Incarnation life = nodes_[node].ref.incarnation;
    At(now_ + Delay(), [this, node, event, outcome, life] {
      if (nodes_[node].ref.incarnation == life) Answer(node, event, outcome);
    });
  });
}

// ---- the workers

void SimulatedCluster::NodeTurn(std::uint32_t n) {
  Node& node = nodes_[n];
  At(now_ + kTurnMs, [this, n] { NodeTurn(n); });
  if (Faulty() && Chance(options_.worker_fault_rate * kTurnMs / 1'000)) Fault(n);
  if (!node.up || now_ < node.paused_until_ms) return;
  std::vector<AttemptId> ids;
  for (const auto& [id, attempt] : node.running) ids.push_back(id);
  for (const AttemptId id : ids) AttemptTurn(n, node.running.at(id));
  if (now_ - node.beat_ms >= kBeatMs) Beat(n);
}

void SimulatedCluster::Fault(std::uint32_t n) {
  Node& node = nodes_[n];
  const TimeMs length_ms = 200 + static_cast<TimeMs>(random_.Below(8'000));
  switch (random_.Below(3)) {
    case 0:
      node.paused_until_ms = now_ + length_ms;
      return;
    case 1:
      node.cut_until_ms = now_ + length_ms;
      return;
    default:
      break;
  }
  node.up = false;
  node.registered = false;
  node.running.clear();
  node.outputs.clear();
  At(now_ + length_ms, [this, n] {
    if (nodes_[n].up) return;
    nodes_[n].up = true;
    nodes_[n].ref.incarnation =
        Incarnation{static_cast<std::uint64_t>(nodes_[n].ref.incarnation) + 1};
  });
}

void SimulatedCluster::Beat(std::uint32_t n) {
  Node& node = nodes_[n];
  node.beat_ms = now_;
  std::vector<AttemptProgress> running;
  for (const auto& [id, attempt] : node.running) {
    const bool fetched = attempt.ref.task.phase == Phase::kReduce && attempt.missing.empty();
    running.push_back({attempt.ref, attempt.progress, attempt.turns, fetched, attempt.number,
                       attempt.kind, now_ - attempt.born_ms});
  }
  if (node.registered) {
    Send(n, WorkerHeartbeat{node.ref, options_.slots, running});
  } else {
    Send(n, WorkerRegistered{node.ref, options_.slots, "host", running});
  }
}

void SimulatedCluster::Send(std::uint32_t n, const Event& event) {
  if (now_ < nodes_[n].cut_until_ms) return;
  if (!Faulty() || !Chance(options_.message_loss)) {
    At(now_ + Delay(), [this, n, event] { Deliver(n, event); });
  }
  if (Faulty() && Chance(options_.message_twice)) {
    At(now_ + Delay() + Delay(), [this, n, event] { Deliver(n, event); });
  }
}

void SimulatedCluster::AttemptTurn(std::uint32_t n, Attempt& attempt) {
  if (!attempt.hangs) ++attempt.turns;
  if (attempt.stage == Attempt::Stage::kWorking) Work(n, attempt);
  if (attempt.stage != Attempt::Stage::kWorking && now_ - attempt.spoke_ms >= kRetryMs) {
    attempt.spoke_ms = now_;
    Speak(n, attempt);
  }
}

void SimulatedCluster::Work(std::uint32_t n, Attempt& attempt) {
  if (attempt.hangs) return;
  if (attempt.ref.task.phase == Phase::kReduce && !FetchTurn(n, attempt)) return;
  Node& node = nodes_[n];
  attempt.progress += node.speed * kTurnMs / static_cast<double>(options_.task_ms);
  if (attempt.progress < 1) return;
  attempt.progress = 1;
  const TaskRef task = attempt.ref.task;
  const bool commits = task.phase == Phase::kReduce || options_.reduces == 0;
  attempt.stage = attempt.fails || !commits ? Attempt::Stage::kReporting : Attempt::Stage::kAsking;
  if (!attempt.fails && !commits) node.outputs.insert({task.job, task.index, attempt.ref.id});
}

/// True when every map output is fetched.
bool SimulatedCluster::FetchTurn(std::uint32_t n, Attempt& attempt) {
  const bool complain = now_ - attempt.spoke_ms >= kFetchRetryMs;
  for (auto it = attempt.missing.begin(); it != attempt.missing.end();) {
    const auto& [map, output] = *it;
    const auto place = static_cast<std::uint64_t>(output.worker.id);
    const bool known = place != 0;
    const bool there =
        known && Reachable(nodes_[place - 1]) && now_ >= nodes_[n].cut_until_ms &&
        nodes_[place - 1].outputs.count({attempt.ref.task.job, map, output.attempt}) != 0;
    const bool corrupt = there && Faulty() && Chance(options_.corrupt_fetch);
    if (there && !corrupt) {
      it = attempt.missing.erase(it);
      continue;
    }
    if (complain || corrupt) {
      Send(n, FetchFailed{attempt.ref, nodes_[n].ref, map, output.attempt, corrupt});
    }
    ++it;
  }
  if (complain) attempt.spoke_ms = now_;
  return attempt.missing.empty();
}

void SimulatedCluster::Speak(std::uint32_t n, Attempt& attempt) {
  if (attempt.stage == Attempt::Stage::kAsking) {
    Send(n, CommitRequested{attempt.ref, nodes_[n].ref});
  } else if (attempt.fails) {
    Send(n, AttemptFailed{attempt.ref, nodes_[n].ref, FailureKind::kUserCode, "exit status 1"});
  } else {
    Send(n, AttemptSucceeded{attempt.ref, nodes_[n].ref, 100});
  }
}

void SimulatedCluster::Answer(std::uint32_t n, const Event& event, Outcome outcome) {
  Node& node = nodes_[n];
  if (!node.up) return;
  if (now_ < node.paused_until_ms) {
    return At(node.paused_until_ms, [this, n, event, outcome] { Answer(n, event, outcome); });
  }
  if (outcome == Outcome::kUnknownWorker) {
    node.registered = false;
    return;
  }
  if (std::holds_alternative<WorkerRegistered>(event)) node.registered = true;
  if (const auto* fetch = std::get_if<FetchFailed>(&event)) {
    const auto found = node.running.find(fetch->attempt.id);
    if (outcome != Outcome::kDuplicate || found == node.running.end() || !planner_) return;
    const auto output = planner_->FindMapOutput(fetch->attempt.task.job, fetch->map);
    auto missing = found->second.missing.find(fetch->map);
    if (output && missing != found->second.missing.end()) missing->second = *output;
  } else if (const auto* commit = std::get_if<CommitRequested>(&event)) {
    const auto found = node.running.find(commit->attempt.id);
    if (found == node.running.end()) return;
    if (outcome == Outcome::kCommitGranted) {
      if (found->second.stage != Attempt::Stage::kAsking) return;
      SeeRename(commit->attempt);
      found->second.stage = Attempt::Stage::kReporting;
    } else if (outcome != Outcome::kCommitWait) {
      node.running.erase(found);
    }
  } else if (const auto* done = std::get_if<AttemptSucceeded>(&event)) {
    node.running.erase(done->attempt.id);
  } else if (const auto* failed = std::get_if<AttemptFailed>(&event)) {
    node.running.erase(failed->attempt.id);
  }
}

void SimulatedCluster::Receive(std::uint32_t n, const Action& action) {
  Node& node = nodes_[n];
  if (!node.up || now_ < node.cut_until_ms) return;
  if (now_ < node.paused_until_ms) {
    return At(node.paused_until_ms, [this, n, action] { Receive(n, action); });
  }
  if (const auto* assign = std::get_if<AssignAttempt>(&action)) {
    if (assign->worker == node.ref) StartAttempt(n, *assign);
  } else if (const auto* cancel = std::get_if<CancelAttempt>(&action)) {
    if (cancel->worker != node.ref) return;
    node.running.erase(cancel->attempt.id);
    Send(n, AttemptFailed{cancel->attempt, node.ref, FailureKind::kKilled, "cancelled"});
  } else if (const auto* moved = std::get_if<MapOutputMoved>(&action)) {
    for (auto& [id, attempt] : node.running) {
      const auto missing = attempt.missing.find(moved->map);
      if (attempt.ref.task.job == moved->job && missing != attempt.missing.end()) {
        missing->second = moved->output;
      }
    }
  }
}

void SimulatedCluster::StartAttempt(std::uint32_t n, const AssignAttempt& action) {
  Attempt attempt;
  attempt.ref = action.attempt;
  attempt.number = action.number;
  attempt.kind = action.kind;
  attempt.born_ms = now_;
  const TaskRef task = action.attempt.task;
  if (task.phase == Phase::kReduce) {
    for (std::uint32_t map = 0; map < options_.maps; ++map) {
      std::optional<MapOutput> output;
      if (planner_) output = planner_->FindMapOutput(task.job, map);
      attempt.missing[map] = output.value_or(MapOutput{});
    }
  }
  std::uint32_t& failures = failures_[task];
  if (Faulty() && failures + 1 < JobSpec{}.max_attempts) {
    attempt.fails = Chance(options_.attempt_failure);
    attempt.hangs = !attempt.fails && Chance(options_.attempt_hang);
    failures += attempt.fails || attempt.hangs;
  }
  nodes_[n].running.emplace(attempt.ref.id, std::move(attempt));
}

}  // namespace trireme::mapreduce::plan
