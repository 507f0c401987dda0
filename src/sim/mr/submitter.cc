#include <set>

#include "sim/mr/customers.h"
#include "sim/mr/follower.h"

namespace trireme::sim {

namespace {

constexpr Micros kAskAgain = 500 * kMillisecond;
constexpr plan::TimeMs kTaskTimeoutMs = 20'000;

/// Submits every job until somebody has accepted it.
class Submitter final : public Follower {
 public:
  using Follower::Follower;

 private:
  void Step() override {
    if (books_.AllFinished()) {
      finished_ = true;
      return;
    }
    MoveOnWhenSilent();
    for (std::uint64_t job = 1; job <= books_.jobs().jobs; ++job) {
      if (!accepted_.contains(job)) Tell(job, Submission(job));
    }
    StepAfter(kAskAgain);
  }

  plan::JobSubmitted Submission(std::uint64_t job) const {
    plan::JobSubmitted submitted{plan::JobId{job}, {}};
    submitted.spec.maps = books_.jobs().maps;
    submitted.spec.reduces = books_.jobs().reduces;
    submitted.spec.task_timeout_ms = kTaskTimeoutMs;
    return submitted;
  }

  void Hear(const FromCoordinator& letter) override {
    const auto* answer = std::get_if<FromCoordinator::Answer>(&letter.what);
    if (answer == nullptr) return;
    if (answer->outcome != plan::Outcome::kOk && answer->outcome != plan::Outcome::kDuplicate) {
      return;
    }
    accepted_.insert(answer->sequence);
    books_.PromisedJob(plan::JobId{answer->sequence});
  }

  std::set<std::uint64_t> accepted_;
};

}  // namespace

std::unique_ptr<Customer> MakeSubmitter(std::uint64_t number, Surroundings around, Record* record,
                                        Books* books) {
  return std::make_unique<Submitter>(number, around, record, books);
}

}  // namespace trireme::sim
