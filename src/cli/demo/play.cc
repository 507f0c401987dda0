#include "cli/demo/play.h"

#include <poll.h>

#include <algorithm>
#include <optional>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/clock.h"

namespace trireme::demo {
namespace {

double Seconds(std::int64_t ms) {
  return static_cast<double>(ms) / 1e3;
}

Actor* BusyWorker(Stage& stage, const Sight& sight) {
  for (Actor& actor : stage.workers) {
    const auto* worker = sight.Worker(actor.pid());
    if (worker != nullptr && worker->alive() && worker->busy() > 0) return &actor;
  }
  return nullptr;
}

Actor* LeadingMember(Stage& stage, const Sight& sight) {
  return sight.leading_member ? &stage.members[*sight.leading_member] : nullptr;
}

Actor* LeadingCoordinator(Stage& stage, const Sight& sight) {
  return sight.leading_coordinator ? &stage.coordinators[*sight.leading_coordinator] : nullptr;
}

bool WorkerIsMissed(const Stage&, const Sight& sight, const Actor&, pid_t pid) {
  const auto* worker = sight.Worker(pid);
  return sight.leading_coordinator && (worker == nullptr || !worker->alive());
}

bool AnotherMemberLeads(const Stage& stage, const Sight& sight, const Actor& victim, pid_t) {
  return sight.leading_member && &stage.members[*sight.leading_member] != &victim;
}

bool AnotherCoordinatorLeads(const Stage& stage, const Sight& sight, const Actor& victim, pid_t) {
  return sight.leading_coordinator && &stage.coordinators[*sight.leading_coordinator] != &victim;
}

absl::Status CheckLife(Stage& stage, const Actor* but) {
  for (Actor* actor : stage.All()) {
    if (actor == but || !actor->running()) continue;
    if (const auto exit = actor->TryWait()) return actor->EndedBadly(actor->name(), *exit);
  }
  return absl::OkStatus();
}

absl::Status Interrupted(const std::atomic<int>& interrupts) {
  return interrupts == 0 ? absl::OkStatus() : absl::CancelledError("interrupted");
}

/// The blows one after the other, while the jobs run.
class Villain {
 public:
  Villain(Stage& stage, Screen& screen) : stage_(stage), screen_(screen), blows_(TheBlows()) {}

  absl::Status Act(const Sight& sight, std::size_t jobs, std::int64_t elapsed_ms) {
    if (next_ == blows_.size()) return absl::OkStatus();
    if (victim_ == nullptr) return MaybeStrike(sight, jobs, elapsed_ms), absl::OkStatus();
    if (blows_[next_].overcome(stage_, sight, *victim_, pid_)) return Rise(elapsed_ms);
    if (elapsed_ms - struck_ms_ < kWaitMsMax) return absl::OkStatus();
    return absl::InternalError(fmt::format("{} was killed, and nobody has taken over within {} s",
                                           victim_->name(), kWaitMsMax / 1000));
  }

  const Actor* victim() const { return victim_; }
  /// OK when all blows were dealt and overcome.
  absl::Status Done() const {
    if (next_ == blows_.size()) return absl::OkStatus();
    return absl::FailedPreconditionError(fmt::format(
        "the jobs were over before {} could be killed: give more --input", blows_[next_].whom));
  }

 private:
  void MaybeStrike(const Sight& sight, std::size_t jobs, std::int64_t elapsed_ms) {
    const Blow& blow = blows_[next_];
    if (sight.Share(jobs) < blow.at_share) return;
    Actor* const victim = blow.victim(stage_, sight);
    if (victim == nullptr || !victim->running()) return;
    victim_ = victim;
    pid_ = victim->pid();
    struck_ms_ = elapsed_ms;
    victim->Kill();
    screen_.Line(fmt::format("{:>5.1f} s  kill -9 {}: {}, process {}", Seconds(elapsed_ms),
                             victim->name(), blow.whom, pid_));
  }

  absl::Status Rise(std::int64_t elapsed_ms) {
    const Blow& blow = blows_[next_++];
    screen_.Line(fmt::format("{:>5.1f} s  {} after {:.1f} s; {} is started again",
                             Seconds(elapsed_ms), blow.overcome_by,
                             Seconds(elapsed_ms - struck_ms_), victim_->name()));
    return std::exchange(victim_, nullptr)->Start();
  }

  Stage& stage_;
  Screen& screen_;
  const std::vector<Blow> blows_;
  std::size_t next_ = 0;
  Actor* victim_ = nullptr;
  pid_t pid_ = 0;
  std::int64_t struck_ms_ = 0;
};

/// Whether all have ended; not OK when one has ended badly.
absl::StatusOr<bool> AllOver(std::deque<Actor>& jobs) {
  bool all = true;
  for (Actor& job : jobs) {
    if (!job.running()) continue;
    const auto exit = job.TryWait();
    if (exit && !exit->ok()) return job.EndedBadly("the job " + job.name(), *exit);
    all = all && exit;
  }
  return all;
}

}  // namespace

std::vector<Blow> TheBlows() {
  return {{"a worker in the middle of a task", 0.10, BusyWorker, WorkerIsMissed,
           "the coordinator has given its tasks to others"},
          {"the store's leader", 0.30, LeadingMember, AnotherMemberLeads,
           "another member leads the store"},
          {"the leading coordinator", 0.50, LeadingCoordinator, AnotherCoordinatorLeads,
           "the other coordinator leads"}};
}

absl::Status Open(Stage& stage, Lookout& lookout, Screen& screen,
                  const std::atomic<int>& interrupts) {
  const std::int64_t start = io::SteadyMs();
  for (Actor* actor : stage.All()) TRIREME_RETURN_IF_ERROR(actor->Start());
  while (io::SteadyMs() - start < kWaitMsMax) {
    TRIREME_RETURN_IF_ERROR(Interrupted(interrupts));
    TRIREME_RETURN_IF_ERROR(CheckLife(stage, nullptr));
    const Sight sight = lookout.Look();
    screen.Draw(stage, sight, io::SteadyMs() - start);
    const bool all = std::ranges::all_of(
        stage.workers, [&](const Actor& actor) { return sight.Worker(actor.pid()) != nullptr; });
    if (sight.leading_member && sight.leading_coordinator && all) return absl::OkStatus();
    ::poll(nullptr, 0, kLookMs);
  }
  return absl::DeadlineExceededError(
      fmt::format("the processes were not ready within {} s; see the logs in {}", kWaitMsMax / 1000,
                  stage.directory));
}

absl::Status Play(Stage& stage, Lookout& lookout, Screen& screen, std::deque<Actor>& jobs,
                  const std::atomic<int>& interrupts) {
  const std::int64_t start = io::SteadyMs();
  Villain villain(stage, screen);
  for (Actor& job : jobs) TRIREME_RETURN_IF_ERROR(job.Start());
  for (std::int64_t elapsed = 0; elapsed < kPlayMsMax; elapsed = io::SteadyMs() - start) {
    TRIREME_RETURN_IF_ERROR(Interrupted(interrupts));
    TRIREME_RETURN_IF_ERROR(CheckLife(stage, villain.victim()));
    const Sight sight = lookout.Look();
    TRIREME_RETURN_IF_ERROR(villain.Act(sight, jobs.size(), elapsed));
    screen.Draw(stage, sight, elapsed);
    TRIREME_ASSIGN_OR_RETURN(const bool over, AllOver(jobs));
    if (over && villain.victim() == nullptr) return villain.Done();
    ::poll(nullptr, 0, kLookMs);
  }
  return absl::DeadlineExceededError(
      fmt::format("the jobs were not over within {} s", kPlayMsMax / 1000));
}

}  // namespace trireme::demo
