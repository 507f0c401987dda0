#include "mapreduce/cluster/embedded.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/memory.h"
#include "mapreduce/cluster/job_counters.h"
#include "mapreduce/cluster/output_directory.h"
#include "mapreduce/cluster/scratch.h"
#include "mapreduce/cluster/slot_pool.h"
#include "mapreduce/plan/describe.h"
#include "mapreduce/plan/planner.h"

namespace trireme::mapreduce {
namespace {

using plan::AttemptRef;
using plan::Outcome;
using plan::Phase;

constexpr plan::JobId kJob{1};
constexpr plan::WorkerRef kWorker{plan::WorkerId{1}, plan::Incarnation{1}};

// What slots report, on its way to the loop.
struct Ready {
  std::uint64_t attempt;
  TaskResult result;
};
struct Done {
  std::uint64_t attempt;
  TaskResult result;
};
struct Broken {
  std::uint64_t attempt;
  AttemptFailure failure;
};
struct Needed {
  std::uint64_t attempt;
  std::uint32_t map;
};
using SlotEvent = std::variant<Ready, Done, Broken, Needed>;

/// The queue between the slots' threads and the loop.
class EventQueue final : public SlotPool::Listener {
 public:
  void OnReadyToCommit(std::uint64_t attempt, const TaskResult& result) override {
    Push(Ready{attempt, result});
  }
  void OnSucceeded(std::uint64_t attempt, const TaskResult& result) override {
    Push(Done{attempt, result});
  }
  void OnFailed(std::uint64_t attempt, const AttemptFailure& failure) override {
    Push(Broken{attempt, failure});
  }
  void OnMapOutputNeeded(std::uint64_t attempt, std::uint32_t map) override {
    Push(Needed{attempt, map});
  }
  void OnStatus(std::uint64_t, std::string_view) override {}

  std::deque<SlotEvent> Take(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, patience, [this] { return !events_.empty(); });
    return std::exchange(events_, {});
  }

 private:
  void Push(SlotEvent event) {
    {
      const std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
    }
    arrived_.notify_one();
  }
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<SlotEvent> events_;
};

plan::Limits EmbeddedLimits() {
  plan::Limits limits;
  limits.worker_lease_ms = 0;  // the worker is this process
  return limits;
}

/// One job from its first attempt to its last.
class EmbeddedRun {
 public:
  EmbeddedRun(const PreparedJob& prepared, const EmbeddedOptions& options, std::uint32_t slots,
              OutputDirectory* output, const std::string& scratch)
      : prepared_(prepared),
        options_(options),
        slots_(slots),
        output_(*output),
        scratch_(scratch),
        setup_(prepared.setup),
        planner_(EmbeddedLimits()),
        pool_({slots, SlotBytes(prepared, options, slots), scratch, options.files,
               options.slot_program, options.files->s3_options()},
              &queue_) {
    report_.input_bytes = prepared.input_bytes;
    for (std::uint32_t i = 0; i < slots; ++i) report_.lanes.push_back(fmt::format("slot {}", i));
  }

  JobReport Run(bool* hung) {
    Submit();
    while (!ended_ && !LeaveAtOnce()) {
      const std::int64_t wait = std::max<std::int64_t>(next_tick_ms_ - io::SteadyMs(), 0);
      for (SlotEvent& event : queue_.Take(std::chrono::milliseconds(wait)))
        std::visit([this](auto& e) { Handle(e); }, event);
      if (io::SteadyMs() >= next_tick_ms_) Tick();
      CarryOut();
    }
    *hung = !pool_.Stop(std::chrono::milliseconds(LeaveAtOnce() ? 0 : kEmbeddedPatienceMs));
    Conclude();
    return std::move(report_);
  }

 private:
  static std::size_t SlotBytes(const PreparedJob& prepared, const EmbeddedOptions& options,
                               std::uint32_t slots) {
    const std::uint64_t all =
        options.memory_bytes != 0 ? options.memory_bytes : DefaultMemoryBytes();
    return SlotMemory(all, slots, prepared.setup->isolation);
  }

  bool LeaveAtOnce() const { return options_.interrupts && *options_.interrupts >= 2; }
  plan::TimeMs Now() const { return io::SteadyMs() - started_ms_; }

  void Submit() {
    plan::JobSpec spec = prepared_.spec;
    spec.backup_tasks = false;  // beside what on the same machine?
    Step(plan::WorkerRegistered{kWorker, slots_, "localhost", {}});
    Step(plan::JobSubmitted{kJob, std::move(spec)});
    CarryOut();
  }

  Outcome Step(const plan::Event& event) { return planner_.Step(Now(), event); }

  /// The plan's actions may lead to events at once, and these to more actions.
  void CarryOut() {
    for (plan::Output out = planner_.TakeOutput(); !out.empty(); out = planner_.TakeOutput()) {
      for (const plan::Action& action : out.actions) {
        if (io::Logs(io::LogLevel::kDebug))
          io::Log(io::LogLevel::kDebug, "plan", {{"action", plan::Describe(action)}});
        std::visit([this](const auto& a) { Act(a); }, action);
      }
    }
  }

  void Act(const plan::AssignAttempt& assign) {
    const auto id = static_cast<std::uint64_t>(assign.attempt.id);
    AttemptSpec spec;
    spec.id = id;
    spec.job = setup_;
    spec.phase = assign.attempt.task.phase;
    spec.index = assign.attempt.task.index;
    spec.number = assign.number;
    spec.skip = assign.skip;
    if (spec.phase == Phase::kMap) {
      spec.split = prepared_.splits[spec.index];
    } else {
      spec.maps = prepared_.spec.maps;
    }
    spec.output_path = OutputPathOf(assign.attempt);
    attempts_[id] = {assign.attempt, spec.split.SizeBytes(), report_.attempts.size()};
    ReportAttempt bar;
    bar.phase = spec.phase;
    bar.index = spec.index;
    bar.number = spec.number;
    bar.kind = assign.kind;
    bar.start_ms = Now();
    const std::size_t place = report_.attempts.size();
    report_.attempts.push_back(std::move(bar));
    const std::uint32_t lane = report_.attempts[place].lane = pool_.Start(std::move(spec));
    // A slot is free a moment before its attempt's end is heard of.
    if (last_bars_[lane] != kNoBar) EndBar(report_.attempts[last_bars_[lane]]);
    last_bars_[lane] = place;
  }

  void EndBar(ReportAttempt& bar) {
    if (bar.end_ms == 0) bar.end_ms = Now();
  }

  void Act(const plan::CancelAttempt& cancel) {
    pool_.Cancel(static_cast<std::uint64_t>(cancel.attempt.id));
    if (cancel.reason == plan::CancelReason::kTimeout)
      BarOf(static_cast<std::uint64_t>(cancel.attempt.id)).note = "no progress for too long";
  }

  void Act(const plan::MapOutputMoved& moved) {
    for (auto it = waiting_.begin(); it != waiting_.end();) {
      if (it->map != moved.map) {
        ++it;
        continue;
      }
      Provide(it->attempt, moved.map, moved.output);
      it = waiting_.erase(it);
    }
  }

  void Act(const plan::JobStateChanged& changed) {
    if (changed.state == plan::JobState::kReducing) report_.maps_ms = Now();
    report_.state = changed.state;
    ended_ = plan::HasEnded(changed.state);
    if (changed.failure) Explain(*changed.failure);
  }

  void Act(const plan::ReleaseJob&) {}  // the scratch directory goes as a whole

  std::string OutputPathOf(const AttemptRef& attempt) const {
    const bool map_only = prepared_.map_only();
    if (attempt.task.phase == Phase::kMap && !map_only)
      return fmt::format("{}/map-{}-{}.run", scratch_, attempt.task.index,
                         static_cast<std::uint64_t>(attempt.id));
    return output_.PartPath(map_only, attempt.task.index, setup_->settings.compress_output);
  }

  void Provide(std::uint64_t attempt, std::uint32_t map, const plan::MapOutput& output) {
    const AttemptRef made{{kJob, Phase::kMap, map}, output.attempt};
    attempts_[attempt].fetched_from[map] = output.attempt;
    pool_.Provide(attempt, map, MapInput{OutputPathOf(made), std::nullopt});
  }

  void Handle(const Needed& needed) {
    if (const auto output = planner_.FindMapOutput(kJob, needed.map)) {
      Provide(needed.attempt, needed.map, *output);
    } else {
      waiting_.push_back(needed);
    }
  }

  void Handle(const Ready& ready) { AskCommit(ready.attempt); }

  void AskCommit(std::uint64_t id) {
    switch (Step(plan::CommitRequested{attempts_[id].ref, kWorker})) {
      case Outcome::kCommitGranted:
        return pool_.Commit(id);
      case Outcome::kCommitWait:
        return committers_.push_back(id);
      default:
        return pool_.Cancel(id);
    }
  }

  void Handle(const Done& done) {
    const Attempt& attempt = attempts_[done.attempt];
    const Outcome outcome =
        Step(plan::AttemptSucceeded{attempt.ref, kWorker, done.result.output_bytes});
    ReportAttempt& bar = BarOf(done.attempt);
    EndBar(bar);
    bar.end = outcome == Outcome::kOk ? plan::AttemptEnd::kSucceeded : plan::AttemptEnd::kKilled;
    bar.input_bytes = done.result.input_bytes;
    bar.output_bytes = done.result.output_bytes;
    bar.records = done.result.input_records;
    if (outcome != Outcome::kOk) return;
    CountTask(attempt.ref.task.phase, prepared_.map_only(), done.result, report_.counters);
    if (attempt.ref.task.phase == Phase::kMap) input_bytes_done_ += attempt.split_bytes;
    if (attempt.ref.task.phase == Phase::kReduce || prepared_.map_only())
      report_.output_bytes += done.result.output_bytes;
  }

  void Handle(Broken& broken) {
    Attempt& attempt = attempts_[broken.attempt];
    AttemptFailure& failure = broken.failure;
    plan::AttemptFailed failed{
        attempt.ref,    kWorker, failure.kind, failure.message, failure.stderr_tail,
        failure.record, {}};
    if (failure.lost_map != TaskFailure::kNoMap)
      failed.fetch.push_back({failure.lost_map, attempt.fetched_from[failure.lost_map], true});
    ReportAttempt& bar = BarOf(broken.attempt);
    EndBar(bar);
    bar.end = failure.kind == plan::FailureKind::kKilled ? plan::AttemptEnd::kKilled
                                                         : plan::AttemptEnd::kFailed;
    if (bar.note.empty()) bar.note = failure.message;
    io::Log(io::LogLevel::kInfo, "attempt failed",
            {{"attempt", plan::Describe(attempt.ref)}, {"message", failure.message}});
    (void)Step(failed);
  }

  void Tick() {
    next_tick_ms_ = io::SteadyMs() + kEmbeddedTickMs;
    if (options_.interrupts && *options_.interrupts > 0 && !cancelled_) {
      cancelled_ = true;
      (void)Step(plan::JobCancelled{kJob});
    }
    for (std::uint64_t id : std::exchange(committers_, {})) AskCommit(id);
    (void)Step(plan::WorkerHeartbeat{kWorker, slots_, Listing()});
    planner_.Tick(Now());
    ShowProgress();
  }

  std::vector<plan::AttemptProgress> Listing() {
    std::vector<plan::AttemptProgress> listing;
    bytes_in_hand_ = 0;
    running_ = 0;
    for (const SlotPool::Progress& progress : pool_.Running()) {
      const Attempt& attempt = attempts_[progress.attempt];
      const bool map = attempt.ref.task.phase == Phase::kMap;
      const std::uint64_t size = map ? attempt.split_bytes : progress.bytes_total;
      ++running_;
      const double share =
          size == 0 ? 0 : static_cast<double>(progress.bytes) / static_cast<double>(size);
      listing.push_back({attempt.ref, std::min(share, 1.0), progress.records + progress.bytes,
                         progress.inputs_fetched});
      if (map) bytes_in_hand_ += std::min(progress.bytes, attempt.split_bytes);
    }
    return listing;
  }

  void ShowProgress() {
    const std::uint64_t bytes = input_bytes_done_ + bytes_in_hand_;
    if (report_.samples.size() < kSamplesMax) report_.samples.push_back({Now(), bytes, running_});
    if (!options_.on_progress) return;
    const auto snapshot = planner_.Snapshot(kJob);
    if (!snapshot) return;
    options_.on_progress({snapshot->maps.total, snapshot->maps.succeeded, snapshot->reduces.total,
                          snapshot->reduces.succeeded, prepared_.input_bytes, bytes,
                          snapshot->maps.progress, snapshot->reduces.progress, Now(),
                          snapshot->stats.map_output_bytes});
  }

  void Explain(const plan::JobFailure& failure) {
    report_.error = failure.message;
    report_.stderr_tail = failure.stderr_tail;
  }

  void Conclude() {
    if (!ended_) report_.state = plan::JobState::kCancelled;
    report_.total_ms = Now();
    for (ReportAttempt& bar : report_.attempts) {
      if (bar.end == plan::AttemptEnd::kRunning) bar.end = plan::AttemptEnd::kKilled;
      if (bar.end_ms == 0) bar.end_ms = report_.total_ms;
    }
    const auto snapshot = planner_.Snapshot(kJob);
    if (!snapshot) return;
    report_.stats = snapshot->stats;
    report_.samples.push_back({report_.total_ms, input_bytes_done_, 0});
    CountJob(*snapshot, report_.counters);
  }

  ReportAttempt& BarOf(std::uint64_t attempt) { return report_.attempts[attempts_[attempt].bar]; }

  struct Attempt {
    AttemptRef ref;
    std::uint64_t split_bytes = 0;
    std::size_t bar = 0;  // index in the report
    std::map<std::uint32_t, plan::AttemptId> fetched_from;
  };
  /// At ten a second: the first hours of a job.
  static constexpr std::size_t kSamplesMax = 200'000;

  static constexpr std::size_t kNoBar = static_cast<std::size_t>(-1);

  const PreparedJob& prepared_;
  const EmbeddedOptions& options_;
  const std::uint32_t slots_;
  OutputDirectory& output_;
  const std::string scratch_;
  const std::shared_ptr<const JobSetup> setup_;
  const std::int64_t started_ms_ = io::SteadyMs();
  std::int64_t next_tick_ms_ = started_ms_ + kEmbeddedTickMs;
  plan::Planner planner_;
  EventQueue queue_;
  JobReport report_;
  std::vector<std::size_t> last_bars_ = std::vector<std::size_t>(slots_, kNoBar);  // by lane
  std::map<std::uint64_t, Attempt> attempts_;
  std::vector<Needed> waiting_;            // for map outputs that are being made again
  std::vector<std::uint64_t> committers_;  // told to ask again later
  std::uint64_t input_bytes_done_ = 0;
  std::uint64_t bytes_in_hand_ = 0;
  std::uint64_t running_ = 0;
  bool cancelled_ = false;
  bool ended_ = false;
  SlotPool pool_;  // last: its threads use the queue
};

}  // namespace

std::uint32_t DefaultSlots() {
  return std::max(1u, std::thread::hardware_concurrency());
}

std::uint64_t DefaultMemoryBytes() {
  return std::max<std::uint64_t>(io::UsableMemoryBytes() / 2, kMemoryMin);
}

std::uint64_t EmbeddedSlotMemory(const EmbeddedOptions& options) {
  const std::uint64_t all = options.memory_bytes != 0 ? options.memory_bytes : DefaultMemoryBytes();
  return SlotMemory(all, options.slots != 0 ? options.slots : DefaultSlots(), Isolation::kThread);
}

absl::StatusOr<JobReport> RunEmbedded(const PreparedJob& prepared, const EmbeddedOptions& options,
                                      bool* hung) {
  *hung = false;
  const JobSettings& settings = prepared.setup->settings;
  TRIREME_ASSIGN_OR_RETURN(const ScratchDirectory scratch,
                           ScratchDirectory::Make(options.directory));
  OutputDirectory output(options.files, prepared.output, settings.durability);
  TRIREME_RETURN_IF_ERROR(output.Prepare(prepared.overwrite));
  const auto started = std::chrono::system_clock::now();
  const std::size_t tasks = std::max<std::size_t>(
      {prepared.splits.size(), prepared.setup->settings.reduces, std::size_t{1}});
  const auto slots = static_cast<std::uint32_t>(
      std::min<std::size_t>(options.slots != 0 ? options.slots : DefaultSlots(), tasks));
  // On the heap: a thread that user code holds forever must not find it gone.
  auto* run = new EmbeddedRun(prepared, options, slots, &output, scratch.path());
  JobReport report = run->Run(hung);
  if (!*hung) delete run;
  if (report.state == plan::JobState::kSucceeded) {
    if (absl::Status finished = output.Finish(); !finished.ok()) {
      report.state = plan::JobState::kFailed;
      report.error = std::string(finished.message());
    }
  }
  if (report.state != plan::JobState::kSucceeded) output.Abandon();
  report.name = settings.name;
  report.output = prepared.output;
  report.maps = prepared.spec.maps;
  report.reduces = prepared.spec.reduces;
  report.input_files = prepared.input_files;
  report.settings = DescribeSettings(prepared);
  report.settings.emplace_back("slots", fmt::format("{}", slots));
  report.started_unix_ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(started.time_since_epoch()).count();
  return report;
}

}  // namespace trireme::mapreduce
