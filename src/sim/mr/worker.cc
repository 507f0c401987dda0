#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "sim/distributions.h"
#include "sim/mr/customers.h"
#include "sim/mr/follower.h"

namespace trireme::sim {

namespace {

using plan::AttemptId;
using plan::Outcome;
using plan::Phase;

constexpr std::uint64_t kBeatMs = 300;
constexpr std::uint64_t kRetryMs = 500;
constexpr std::uint64_t kFetchRetryMs = 1'000;

struct Attempt {
  enum class Stage : std::uint8_t { kWorking, kAsking, kReporting };
  plan::AttemptRef ref;
  Stage stage = Stage::kWorking;
  bool fails = false;
  double progress = 0;
  std::uint64_t turns = 0;
  std::uint64_t spoke_ms = 0;
  std::map<std::uint32_t, plan::MapOutput> missing;  ///< Map outputs to be fetched yet.
  std::map<std::uint32_t, std::uint64_t> fetched;
};

/// A worker, as the real one speaks: what it reports it repeats until it is answered.
class Worker final : public Follower {
 public:
  Worker(std::uint64_t number, Surroundings around, Record* record, Books* books)
      : Follower(number, around, record, books),
        ref_{plan::WorkerId{number}, plan::Incarnation{1}} {
    books_.Reachable(ref_.id, true);
  }

 private:
  void Step() override {
    if (finishing_ && books_.AllFinished()) {
      finished_ = true;
      return;
    }
    StepAfter(kTurn);
    if (!finishing_ && Chance(books_.jobs().fault_ppm)) Fault();
    books_.Reachable(ref_.id, up() && !paused() && !cut());
    if (!up() || paused()) return;
    MoveOnWhenSilent();
    for (auto& [id, attempt] : running_) Turn(attempt);
    if (NowMs() >= beat_ms_ + kBeatMs) Beat();
  }

  bool up() const { return around_.queue->now() >= down_until_; }

  void Fault() {
    const Micros until = around_.queue->now() + 200 * kMillisecond + random_.Below(8 * kSecond);
    switch (random_.Below(3)) {
      case 0:
        return PauseUntil(until);
      case 1:
        return CutUntil(until);
      default:
        break;
    }
    down_until_ = until;
    registered_ = false;
    running_.clear();
    asked_.clear();
    books_.LostWorker(ref_.id);
    ref_.incarnation = plan::Incarnation{static_cast<std::uint64_t>(ref_.incarnation) + 1};
  }

  void Moved() override { registered_ = false; }

  void Say(const plan::Event& event) {
    asked_[++sequence_] = event;
    Tell(sequence_, event);
  }

  void Beat() {
    beat_ms_ = NowMs();
    std::vector<plan::AttemptProgress> running;
    for (const auto& [id, attempt] : running_) {
      const bool fetched = attempt.ref.task.phase == Phase::kReduce && attempt.missing.empty();
      running.push_back({attempt.ref, attempt.progress, attempt.turns, fetched});
    }
    if (registered_) return Say(plan::WorkerHeartbeat{ref_, books_.jobs().slots, running});
    asked_.clear();
    Say(plan::WorkerRegistered{ref_, books_.jobs().slots, "host", running});
  }

  void Turn(Attempt& attempt) {
    ++attempt.turns;
    if (attempt.stage == Attempt::Stage::kWorking) Work(attempt);
    if (attempt.stage == Attempt::Stage::kWorking || NowMs() < attempt.spoke_ms + kRetryMs) return;
    attempt.spoke_ms = NowMs();
    if (attempt.stage == Attempt::Stage::kAsking)
      return Say(plan::CommitRequested{attempt.ref, ref_});
    if (!attempt.fails) return Say(plan::AttemptSucceeded{attempt.ref, ref_, 100});
    Say(plan::AttemptFailed{attempt.ref, ref_, plan::FailureKind::kUserCode, "exit status 1"});
  }

  void Work(Attempt& attempt) {
    if (attempt.ref.task.phase == Phase::kReduce && !FetchTurn(attempt)) return;
    attempt.progress +=
        static_cast<double>(kTurn / kMillisecond) / static_cast<double>(books_.jobs().task_ms);
    if (attempt.progress < 1) return;
    attempt.progress = 1;
    const bool commits = attempt.ref.task.phase == Phase::kReduce || books_.jobs().reduces == 0;
    attempt.stage =
        attempt.fails || !commits ? Attempt::Stage::kReporting : Attempt::Stage::kAsking;
    if (!attempt.fails && !commits) books_.MadeMap(attempt.ref, ref_);
  }

  /// True when every map output is there.
  bool FetchTurn(Attempt& attempt) {
    const bool complain = NowMs() >= attempt.spoke_ms + kFetchRetryMs;
    for (auto at = attempt.missing.begin(); at != attempt.missing.end();) {
      const auto bytes =
          cut() ? std::nullopt : books_.Fetch(at->second, attempt.ref.task.job, at->first);
      if (bytes) {
        attempt.fetched[at->first] = *bytes;
        at = attempt.missing.erase(at);
        continue;
      }
      if (complain) Say(plan::FetchFailed{attempt.ref, ref_, at->first, at->second.attempt, false});
      ++at;
    }
    if (complain) attempt.spoke_ms = NowMs();
    return attempt.missing.empty();
  }

  std::uint64_t ContentOf(const Attempt& attempt) const {
    const plan::TaskRef task = attempt.ref.task;
    std::uint64_t content = task.index;
    if (task.phase == Phase::kMap)
      return Books::Mix(content, Books::MapBytes(task.job, task.index));
    for (const auto& [map, bytes] : attempt.fetched) content = Books::Mix(content, bytes);
    return content;
  }

  void Hear(const FromCoordinator& letter) override {
    if (!up()) return;
    if (const auto* action = std::get_if<plan::Action>(&letter.what)) return Do(*action, letter);
    const auto& answer = std::get<FromCoordinator::Answer>(letter.what);
    const auto asked = asked_.find(answer.sequence);
    if (asked == asked_.end()) return;
    const plan::Event event = std::move(asked->second);
    asked_.erase(asked);
    if (answer.outcome == Outcome::kUnknownWorker) {
      registered_ = false;
      return;
    }
    std::visit([&](const auto& of) { After(of, answer.outcome, letter); }, event);
  }

  template <class Event>
  void After(const Event&, Outcome, const FromCoordinator&) {}
  void After(const plan::WorkerRegistered&, Outcome outcome, const FromCoordinator&) {
    registered_ = outcome == Outcome::kOk || outcome == Outcome::kDuplicate;
  }
  void After(const plan::FetchFailed& failed, Outcome, const FromCoordinator& letter) {
    if (const auto found = running_.find(failed.attempt.id); found != running_.end()) {
      Learn(found->second, letter.places);
    }
  }
  void After(const plan::CommitRequested& commit, Outcome outcome, const FromCoordinator&) {
    const auto found = running_.find(commit.attempt.id);
    if (found == running_.end() || outcome == Outcome::kCommitWait) return;
    if (outcome != Outcome::kCommitGranted) {
      running_.erase(found);
      return;
    }
    if (found->second.stage != Attempt::Stage::kAsking) return;
    books_.Rename(commit.attempt, ContentOf(found->second));
    found->second.stage = Attempt::Stage::kReporting;
  }
  void After(const plan::AttemptSucceeded& done, Outcome outcome, const FromCoordinator&) {
    if (outcome == Outcome::kOk || outcome == Outcome::kDuplicate) {
      books_.PromisedSuccess(done.attempt);
    }
    running_.erase(done.attempt.id);
  }
  void After(const plan::AttemptFailed& failed, Outcome, const FromCoordinator&) {
    running_.erase(failed.attempt.id);
  }

  void Learn(Attempt& attempt, const std::map<std::uint32_t, plan::MapOutput>& places) {
    for (const auto& [map, output] : places) {
      const auto missing = attempt.missing.find(map);
      if (missing != attempt.missing.end()) missing->second = output;
    }
  }

  void Do(const plan::Action& action, const FromCoordinator& letter) {
    if (const auto* assign = std::get_if<plan::AssignAttempt>(&action)) {
      if (assign->worker == ref_) Begin(assign->attempt, letter.places);
    } else if (const auto* cancel = std::get_if<plan::CancelAttempt>(&action)) {
      if (cancel->worker != ref_) return;
      running_.erase(cancel->attempt.id);
      Say(plan::AttemptFailed{cancel->attempt, ref_, plan::FailureKind::kKilled, "cancelled"});
    } else if (const auto* moved = std::get_if<plan::MapOutputMoved>(&action)) {
      for (auto& [id, attempt] : running_) {
        if (attempt.ref.task.job == moved->job) Learn(attempt, {{moved->map, moved->output}});
      }
    }
  }

  void Begin(const plan::AttemptRef& ref, const std::map<std::uint32_t, plan::MapOutput>& places) {
    Attempt attempt;
    attempt.ref = ref;
    if (ref.task.phase == Phase::kReduce) {
      for (std::uint32_t map = 0; map < books_.jobs().maps; ++map) attempt.missing[map] = {};
      Learn(attempt, places);
    }
    attempt.fails = !finishing_ && Chance(books_.jobs().failure_ppm) && books_.MayFail(ref.task);
    running_.emplace(ref.id, std::move(attempt));
  }

  plan::WorkerRef ref_;
  Micros down_until_ = 0;
  bool registered_ = false;
  std::uint64_t beat_ms_ = 0;
  std::uint64_t sequence_ = 0;
  std::map<std::uint64_t, plan::Event> asked_;  ///< Not answered yet, by sequence.
  std::map<AttemptId, Attempt> running_;
};

}  // namespace

std::unique_ptr<Customer> MakeWorker(std::uint64_t number, Surroundings around, Record* record,
                                     Books* books) {
  return std::make_unique<Worker>(number, around, record, books);
}

}  // namespace trireme::sim
