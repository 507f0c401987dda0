#include "mapreduce/cluster/slot.h"

#include <utility>

#include "mapreduce/cluster/mailbox_host.h"
#include "mapreduce/cluster/tail.h"

namespace trireme::mapreduce {
namespace {

/// The host of an attempt that runs on the slot's own thread.
class ThreadHost final : public MailboxHost {
 public:
  ThreadHost(std::uint64_t attempt, Mailbox* mailbox, SlotPool::Listener* listener)
      : MailboxHost(mailbox), attempt_(attempt), listener_(*listener) {}
  void OnStatus(std::string_view text) override { listener_.OnStatus(attempt_, text); }
  void OnStderr(std::string_view bytes) override { tail_.Append(bytes); }
  std::string TakeTail() { return tail_.Take(); }

 private:
  void AskCommit(const TaskResult& result) override { listener_.OnReadyToCommit(attempt_, result); }
  void AskMapOutput(std::uint32_t map) override { listener_.OnMapOutputNeeded(attempt_, map); }

  const std::uint64_t attempt_;
  SlotPool::Listener& listener_;
  Tail tail_{kStderrTailBytes};
};

}  // namespace

Slot::Slot(std::uint32_t index, const SlotPool::Options& options, SlotPool::Listener* listener)
    : index_(index), options_(options), listener_(listener) {}

Slot::~Slot() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  CancelAny();
  if (thread_.joinable()) thread_.join();
}

bool Slot::TryStart(AttemptSpec& spec) {
  const std::lock_guard lock(mutex_);
  if (spec_) return false;
  mailbox_.Clear();
  control_.cancelled = false;
  maps_provided_ = 0;
  spec_ = std::move(spec);
  if (!thread_.joinable()) thread_ = std::thread([this] { Loop(); });
  changed_.notify_all();
  return true;
}

bool Slot::Tell(std::uint64_t attempt, Word word) {
  const std::lock_guard lock(mutex_);
  if (!spec_ || spec_->id != attempt) return false;
  if (std::holds_alternative<CancelWord>(word)) control_.cancelled = true;
  if (std::holds_alternative<MapWord>(word)) ++maps_provided_;
  mailbox_.Push(std::move(word));
  return true;
}

void Slot::CancelAny() {
  const std::lock_guard lock(mutex_);
  if (!spec_) return;
  control_.cancelled = true;
  mailbox_.Push(CancelWord{});
}

bool Slot::WaitIdle(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return changed_.wait_until(lock, deadline, [this] { return !spec_; });
}

std::optional<SlotPool::Progress> Slot::Running() const {
  const std::lock_guard lock(mutex_);
  if (!spec_) return std::nullopt;
  SlotPool::Progress progress{spec_->id, index_, 0, 0, 0, maps_provided_ >= spec_->maps};
  if (watched_ != nullptr) {
    progress.bytes = watched_->bytes.load(std::memory_order_relaxed);
    progress.bytes_total = watched_->bytes_total.load(std::memory_order_relaxed);
    progress.records = watched_->records.load(std::memory_order_relaxed);
  }
  return progress;
}

void Slot::Loop() {
  for (;;) {
    AttemptSpec spec;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stopping_ || spec_; });
      if (!spec_) return;
      spec = *spec_;
    }
    RunOne(spec);
  }
}

void Slot::RunOne(const AttemptSpec& spec) {
  absl::StatusOr<TaskResult> result = absl::UnknownError("");
  AttemptFailure failure;
  if (spec.job->isolation == Isolation::kThread) {
    failure = RunHere(spec, &result);
  } else {
    if (!keeper_) keeper_ = std::make_unique<Keeper>(options_, index_, listener_);
    {
      const std::lock_guard lock(mutex_);
      watched_ = &keeper_->progress();
    }
    Keeper::Outcome outcome = keeper_->Run(spec, &mailbox_);
    result = std::move(outcome.result);
    failure = std::move(outcome.failure);
  }
  if (!result.ok()) DropOutput(spec, *options_.files, options_.scratch_directory);
  {
    const std::lock_guard lock(mutex_);
    spec_.reset();
    watched_ = nullptr;
  }
  // Free before it is said: the listener may start the next attempt at once.
  if (result.ok()) {
    listener_->OnSucceeded(spec.id, *result);
  } else {
    listener_->OnFailed(spec.id, failure);
  }
  changed_.notify_all();
}

AttemptFailure Slot::RunHere(const AttemptSpec& spec, absl::StatusOr<TaskResult>* result) {
  Reset(progress_);
  control_.progress = &progress_;
  {
    const std::lock_guard lock(mutex_);
    watched_ = &progress_;
  }
  auto job = Load(*spec.job);
  if (!job.ok()) {
    *result = job.status();
    return DescribeFailure(spec, job.status(), {}, progress_);
  }
  ThreadHost host(spec.id, &mailbox_, listener_);
  const MemoryShare share = ShareMemory(options_.memory_bytes, *spec.job);
  const TaskEnvironment environment{
      options_.files, share.engine_bytes, {}, &memory_, SlotFiles(options_.slots)};
  AttemptOutcome outcome = RunAttempt(**job, spec, environment, options_.scratch_directory,
                                      share.command_bytes, &control_, host);
  *result = std::move(outcome.result);
  if (result->ok()) return {};
  AttemptFailure failure = DescribeFailure(spec, result->status(), outcome.failure, progress_);
  failure.stderr_tail = host.TakeTail();
  return failure;
}

absl::StatusOr<const LoadedJob*> Slot::Load(const JobSetup& job) {
  if (!loaded_ || loaded_->first != job.id) {
    auto code = LoadJob(job.code, job.settings.parameters);
    if (!code.ok()) return code.status();
    loaded_.emplace(job.id, *std::move(code));
  }
  return &loaded_->second;
}

}  // namespace trireme::mapreduce
