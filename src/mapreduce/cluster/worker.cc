#include "mapreduce/cluster/worker.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/clock.h"
#include "mapreduce/cluster/attachment.h"
#include "mapreduce/cluster/coordinator_link.h"
#include "mapreduce/cluster/embedded.h"
#include "mapreduce/cluster/end_latch.h"
#include "mapreduce/cluster/host_name.h"
#include "mapreduce/cluster/leader_watch.h"
#include "mapreduce/cluster/output_directory.h"
#include "mapreduce/cluster/reduce_inputs.h"
#include "mapreduce/cluster/scratch.h"
#include "mapreduce/cluster/shuffle_server.h"
#include "mapreduce/cluster/worker_pages.h"
#include "mapreduce/cluster/worker_place.h"
#include "mapreduce/fs/files.h"

namespace trireme::mapreduce::cluster {
namespace {

using plan::JobId;
using plan::Outcome;

std::uint64_t Id(const plan::AttemptRef& attempt) {
  return static_cast<std::uint64_t>(attempt.id);
}

}  // namespace

/// Everything but the constructor, Post-ing callbacks and Drain is the owner thread's.
class Worker::Core final : public SlotPool::Listener {
 public:
  Core(WorkerOptions options, WorkerIdentity identity, ScratchDirectory scratch);
  ~Core() override;

  absl::Status Start();
  absl::Status Wait(bool* hung);
  void Drain();
  const rpc::Address& shuffle_address() const { return shuffle_address_; }
  const WorkerPages& pages() const { return pages_; }
  const WorkerCounts& counts() const { return counts_; }

  // SlotPool::Listener, on the slots' threads.
  void OnReadyToCommit(std::uint64_t attempt, const TaskResult&) override {
    Post([this, attempt] { AskCommit(attempt); });
  }
  void OnSucceeded(std::uint64_t attempt, const TaskResult& result) override {
    Post([this, attempt, result] { Succeeded(attempt, result); });
  }
  void OnFailed(std::uint64_t attempt, const AttemptFailure& failure) override {
    Post([this, attempt, failure] { Failed(attempt, failure); });
  }
  void OnMapOutputNeeded(std::uint64_t attempt, std::uint32_t map) override {
    Post([this, attempt, map] { inputs_.Want(attempt, map); });
  }
  void OnStatus(std::uint64_t, std::string_view) override {}

 private:
  struct Running {
    plan::AttemptRef ref;
    std::uint64_t split_bytes = 0;
    std::string output_path;           ///< of a map output; empty for parts
    bool over = false;                 ///< the slot is free; the coordinator has not heard yet
    std::int64_t asked_ms = 0;         ///< for the commit
    std::int64_t commit_retry_ms = 0;  ///< ask again at this time; 0: no need to
    plan::AttemptProgress progress;
    std::uint64_t bytes = 0;
    std::int64_t begun_ms = io::SteadyMs();
  };

  void Post(OwnerQueue::Task task) { (void)inbox_.Post(std::move(task)); }
  void Run();
  bool Tick();
  bool MayLeave(std::int64_t now) const;
  void Leave();
  absl::Status Listen();
  absl::Status WatchLeader();

  // The session.
  void Register();
  void Beat();
  void OnOrder(v1::WorkerOrder order);
  void OnAnswer(const v1::Answer& answer);
  void OnReportAnswer(std::uint64_t attempt, const v1::WorkerMessage& report, Outcome outcome);
  void OnCommitAnswer(std::uint64_t attempt, Outcome outcome);
  void OnLost(const absl::Status& why);
  std::uint64_t Send(v1::WorkerMessage message);
  void Report(std::uint64_t attempt, v1::WorkerMessage message);
  void ReadProgress();
  static v1::AttemptProgress Listed(const Running& attempt);

  // Jobs and attempts.
  void Open(const v1::JobOpened& opened);
  void Assign(const v1::Assign& assign);
  void StartAttempt(OpenJob& job, const plan::AttemptRef& ref, const v1::Assign& assign);
  void Refuse(const plan::AttemptRef& attempt, std::string why);
  void Learn(const v1::MapOutputs& outputs);
  void Release(JobId job);
  void AskCommit(std::uint64_t attempt);
  void Succeeded(std::uint64_t attempt, const TaskResult& result);
  void Failed(std::uint64_t attempt, const AttemptFailure& failure);
  void Forget(std::uint64_t attempt);
  void RemoveLater(std::string path);
  std::uint32_t BusySlots() const;

  const WorkerOptions options_;
  WorkerIdentity identity_;
  ScratchDirectory scratch_;
  Files files_;
  v1::WorkerPlace place_;
  rpc::Address shuffle_address_;
  ShuffleServer shuffle_;
  rpc::Server server_;
  OwnerQueue inbox_;
  WorkerCounts counts_;
  WorkQueue cleaner_{1};
  Fetcher fetcher_;
  ReduceInputs inputs_;
  CoordinatorLink link_;
  WorkerPages pages_;
  std::unique_ptr<LeaderWatch> leader_watch_;

  std::map<JobId, OpenJob> jobs_;
  std::map<std::uint64_t, Running> attempts_;
  /// Reports not answered yet, by sequence; sent again in every new session.
  std::map<std::uint64_t, std::pair<std::uint64_t, v1::WorkerMessage>> reports_;
  std::map<std::uint64_t, std::uint64_t> commits_;  ///< attempts by sequence
  std::uint64_t sequence_ = 0;
  std::uint64_t register_sequence_ = 0;
  Attachment attachment_{Describe(options_.coordinator)};
  std::int64_t lease_ms_ = kFirstLeaseMs;
  std::int64_t next_beat_ms_ = 0;
  std::int64_t drain_until_ms_ = 0;  ///< 0: not draining
  absl::Status fatal_;

  std::atomic<int> drains_{0};
  bool hung_ = false;
  EndLatch ended_;
  std::thread owner_;
  std::unique_ptr<SlotPool> pool_;
};

// ---- Life

Worker::Core::Core(WorkerOptions options, WorkerIdentity identity, ScratchDirectory scratch)
    : options_(std::move(options)),
      identity_(std::move(identity)),
      scratch_(std::move(scratch)),
      files_(options_.s3),
      shuffle_(scratch_.path()),
      server_(ShuffleOptions()),
      fetcher_(&files_, scratch_.path(),
               SlotMemory(options_.memory_bytes, options_.slots, Isolation::kProcess) /
                   kFetchMemoryFraction),
      inputs_(identity_.ref(), scratch_.path(), options_.always_fetch, &fetcher_, &inbox_,
              {[this](std::uint64_t attempt, std::uint32_t map, MapInput input) {
                 pool_->Provide(attempt, map, std::move(input));
               },
               [this](std::uint64_t attempt, const plan::FetchSource& source) {
                 const auto found = attempts_.find(attempt);
                 if (found == attempts_.end()) return;
                 v1::WorkerMessage message;
                 v1::FetchFailed* failed = message.mutable_fetch_failed();
                 *failed->mutable_attempt() = ToWire(found->second.ref);
                 failed->mutable_source()->set_map(source.map);
                 failed->mutable_source()->set_map_attempt(std::uint64_t(source.map_attempt));
                 failed->mutable_source()->set_corrupt(source.corrupt);
                 (void)Send(std::move(message));
               }}),
      link_(FirstAddresses(options_.coordinator), &inbox_,
            {[this] { Register(); }, [this](v1::WorkerOrder order) { OnOrder(std::move(order)); },
             [this](const absl::Status& why) { OnLost(why); }}) {
  pool_ = std::make_unique<SlotPool>(
      SlotPool::Options{options_.slots,
                        SlotMemory(options_.memory_bytes, options_.slots, Isolation::kProcess),
                        scratch_.path(), &files_, options_.slot_program, options_.s3},
      this);
}

Worker::Core::~Core() {
  drains_ = 2;
  if (owner_.joinable()) owner_.join();
}

absl::Status Worker::Core::Start() {
  *place_.mutable_worker() = ToWire(identity_.ref());
  TRIREME_RETURN_IF_ERROR(AnnounceDirectory(scratch_.path(), &place_));
  TRIREME_RETURN_IF_ERROR(Listen());
  TRIREME_RETURN_IF_ERROR(
      pages_.Start(options_.http, counts_,
                   {options_.slots, options_.memory_bytes, scratch_.path(), &fetcher_.counts(),
                    &shuffle_.counts(), &fetcher_.memory_bytes()},
                   inbox_));
  place_.set_host(ProcessName());
  place_.set_shuffle_address(Advertised(shuffle_address_).ToString());
  TRIREME_RETURN_IF_ERROR(WatchLeader());
  owner_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

absl::Status Worker::Core::WatchLeader() {
  if (!std::holds_alternative<KvOptions>(options_.coordinator)) return absl::OkStatus();
  TRIREME_ASSIGN_OR_RETURN(
      leader_watch_,
      LeaderWatch::Start(std::get<KvOptions>(options_.coordinator), [this](const Leader& leader) {
        Post([this, addresses = leader.addresses] { link_.SetAddresses(addresses); });
      }));
  return absl::OkStatus();
}

absl::Status Worker::Core::Listen() {
  server_.Register(shuffle_);
  TRIREME_ASSIGN_OR_RETURN(
      shuffle_address_,
      server_.Listen(options_.listen ? *options_.listen
                                     : DefaultListen(options_.coordinator, scratch_.path())));
  return server_.Start();
}

void Worker::Core::Run() {
  while (Tick()) {
    const std::int64_t wait = std::clamp<std::int64_t>(next_beat_ms_ - io::SteadyMs(), 1, 50);
    for (OwnerQueue::Task& task : inbox_.Take(std::chrono::milliseconds(wait))) task();
  }
  Leave();
}

/// False when it is time to leave.
bool Worker::Core::Tick() {
  const std::int64_t now = io::SteadyMs();
  link_.Tick(now);
  inputs_.Tick(now);
  counts_.Now(BusySlots(), jobs_.size(), attachment_.attached(), drains_ > 0);
  attachment_.Tick(now, lease_ms_, leader_watch_.get());
  if (options_.leave_after_ms > 0 && attachment_.silence_ms() > options_.leave_after_ms) {
    fatal_ = absl::UnavailableError(
        fmt::format("no coordinator at {} for {} ms; this worker leaves",
                    Describe(options_.coordinator), attachment_.silence_ms()));
  }
  if (drains_ > 0 && drain_until_ms_ == 0) {
    drain_until_ms_ = now + options_.drain_patience_ms;
    next_beat_ms_ = now;  // tell at once that there are no slots
  }
  for (auto& [id, attempt] : attempts_) {
    if (attempt.commit_retry_ms != 0 && now >= attempt.commit_retry_ms) AskCommit(id);
  }
  if (now >= next_beat_ms_) {
    next_beat_ms_ = now + std::max<std::int64_t>(lease_ms_ / kBeatsPerLease, 10);
    Beat();
  }
  return fatal_.ok() && !MayLeave(now);
}

bool Worker::Core::MayLeave(std::int64_t now) const {
  if (drains_ == 0) return false;
  const bool wanted = std::any_of(jobs_.begin(), jobs_.end(), [](const auto& job) {
    return job.second.setup->intermediate.empty();  // else its map outputs are elsewhere
  });
  return drains_ > 1 || now >= drain_until_ms_ || (attempts_.empty() && !wanted);
}

void Worker::Core::Leave() {
  v1::WorkerMessage goodbye;
  goodbye.mutable_goodbye();
  const std::uint64_t sequence = Send(std::move(goodbye));
  // The answer to it, so that the coordinator need not wait for the lease's end.
  bool answered = !link_.attached() || sequence == 0;
  const std::int64_t deadline = io::SteadyMs() + kStopPatienceMs / 10;
  commits_[sequence] = 0;
  while (!answered && io::SteadyMs() < deadline) {
    for (OwnerQueue::Task& task : inbox_.Take(std::chrono::milliseconds(10))) task();
    answered = !link_.attached() || !commits_.contains(sequence);
  }
  inbox_.Close();
  hung_ = !pool_->Stop(std::chrono::milliseconds(drains_ > 1 ? 0 : kStopPatienceMs));
  fetcher_.Stop();
  shuffle_.Stop();
  server_.Stop();
  pages_.Stop();
  cleaner_.Stop();
  leader_watch_.reset();
  if (!hung_) pool_.reset();
  scratch_.Remove();
  identity_.Forget();
  ended_.Set(fatal_);
}

absl::Status Worker::Core::Wait(bool* hung) {
  absl::Status status = ended_.Wait();
  *hung = hung_;
  return status;
}

void Worker::Core::Drain() {
  drains_.fetch_add(1);
  Post([] {});
}

// ---- The session

std::uint64_t Worker::Core::Send(v1::WorkerMessage message) {
  message.set_sequence(++sequence_);
  return link_.Send(message) ? sequence_ : 0;
}

void Worker::Core::Register() {
  attachment_.Begin();
  ReadProgress();
  v1::WorkerMessage message;
  v1::Register* body = message.mutable_register_();
  *body->mutable_place() = place_;
  body->set_slots(drains_ > 0 ? 0 : options_.slots);
  for (const auto& [id, attempt] : attempts_) *body->add_running() = Listed(attempt);
  for (const auto& [id, job] : jobs_) body->add_jobs(static_cast<std::uint64_t>(id));
  register_sequence_ = Send(std::move(message));
}

void Worker::Core::OnLost(const absl::Status& why) {
  attachment_.Lost(why);
  // A new session asks again.
  for (const auto& [sequence, id] : commits_) {
    if (const auto found = attempts_.find(id); found != attempts_.end()) {
      found->second.commit_retry_ms = 1;
    }
  }
  commits_.clear();
}

void Worker::Core::Beat() {
  if (!attachment_.attached()) return;
  ReadProgress();
  v1::WorkerMessage message;
  v1::Heartbeat* body = message.mutable_heartbeat();
  body->set_slots(drains_ > 0 ? 0 : options_.slots);
  for (const auto& [id, attempt] : attempts_) *body->add_running() = Listed(attempt);
  (void)Send(std::move(message));
}

v1::AttemptProgress Worker::Core::Listed(const Running& attempt) {
  v1::AttemptProgress said = ToWire(attempt.progress);
  said.set_bytes(attempt.bytes);
  said.set_age_ms(io::SteadyMs() - attempt.begun_ms);
  return said;
}

void Worker::Core::ReadProgress() {
  for (const SlotPool::Progress& now : pool_->Running()) {
    const auto found = attempts_.find(now.attempt);
    if (found == attempts_.end()) continue;
    Running& attempt = found->second;
    const bool reduce = attempt.ref.task.phase == plan::Phase::kReduce;
    std::uint64_t size = reduce ? now.bytes_total : attempt.split_bytes;
    if (reduce && size == 0) size = inputs_.ExpectedBytes(now.attempt);
    const double share = size == 0 ? 0 : static_cast<double>(now.bytes) / static_cast<double>(size);
    attempt.progress.progress = std::min(share, kReadShare);
    attempt.progress.records = now.records + now.bytes;
    attempt.progress.inputs_fetched = now.inputs_fetched;
    attempt.bytes = reduce ? now.bytes : std::min(now.bytes, attempt.split_bytes);
  }
}

void Worker::Core::OnOrder(v1::WorkerOrder order) {
  attachment_.Heard();
  switch (order.body_case()) {
    case v1::WorkerOrder::kAnswer:
      return OnAnswer(order.answer());
    case v1::WorkerOrder::kJob:
      return Open(order.job());
    case v1::WorkerOrder::kAssign:
      return Assign(order.assign());
    case v1::WorkerOrder::kCancel:
      return pool_->Cancel(order.cancel().attempt().id());
    case v1::WorkerOrder::kOutputs:
      return Learn(order.outputs());
    case v1::WorkerOrder::kRelease:
      return Release(JobId{order.release().job()});
    default:
      return;
  }
}

void Worker::Core::OnAnswer(const v1::Answer& answer) {
  const Outcome outcome = FromWire(answer.outcome());
  if (outcome == Outcome::kStaleIncarnation) {
    fatal_ = absl::FailedPreconditionError(
        "a later life of this worker is registered: is its --dir used by another host as well?");
    return;
  }
  if (answer.sequence() == register_sequence_) {
    if (outcome != Outcome::kOk) {
      fatal_ = absl::FailedPreconditionError(
          fmt::format("the coordinator refuses this worker: {}", plan::Name(outcome)));
      return;
    }
    attachment_.Done();
    if (answer.lease_ms() > 0) lease_ms_ = answer.lease_ms();
    link_.set_lease_ms(lease_ms_);
    for (const auto& [sequence, report] : reports_) (void)link_.Send(report.second);
    Beat();  // a coordinator that took over may have waited for the reports to give out more
    return;
  }
  if (outcome == Outcome::kUnknownWorker && attachment_.attached()) Register();
  if (const auto report = reports_.find(answer.sequence()); report != reports_.end()) {
    if (outcome == Outcome::kUnknownWorker) return;  // sent again once registered
    const auto [attempt, message] = std::move(report->second);
    reports_.erase(report);
    return OnReportAnswer(attempt, message, outcome);
  }
  if (const auto commit = commits_.find(answer.sequence()); commit != commits_.end()) {
    const std::uint64_t attempt = commit->second;
    commits_.erase(commit);
    OnCommitAnswer(attempt, outcome);
  }
}

void Worker::Core::OnReportAnswer(std::uint64_t id, const v1::WorkerMessage& report,
                                  Outcome outcome) {
  const auto found = attempts_.find(id);
  if (found == attempts_.end()) return;
  const bool counted = outcome == Outcome::kOk || outcome == Outcome::kDuplicate;
  if (report.has_succeeded() && !counted && !found->second.output_path.empty()) {
    RemoveLater(found->second.output_path);
  }
  Forget(id);
}

void Worker::Core::OnCommitAnswer(std::uint64_t id, Outcome outcome) {
  const auto found = attempts_.find(id);
  if (found == attempts_.end()) return;
  const std::int64_t now = io::SteadyMs();
  switch (outcome) {
    case Outcome::kCommitGranted:
      // A permission that took a lease to arrive (we were stopped) may be another's by now.
      if (now - found->second.asked_ms > lease_ms_) return AskCommit(id);
      return pool_->Commit(id);
    case Outcome::kCommitWait:
    case Outcome::kUnknownWorker:
      found->second.commit_retry_ms = now + kCommitRetryMs;
      return;
    default:
      return pool_->Cancel(id);
  }
}

// ---- Jobs and attempts

void Worker::Core::Open(const v1::JobOpened& opened) {
  const JobId id{opened.job()};
  if (jobs_.contains(id)) return;
  auto setup = std::make_shared<JobSetup>();
  if (!Decode(opened.setup(), setup.get())) return;  // its attempts are refused
  setup->id = opened.job();
  // A program's own job runs only in that program.
  const bool own_program = std::holds_alternative<BinaryCode>(setup->code);
  if (options_.isolation && !own_program) setup->isolation = *options_.isolation;
  OpenJob& job = jobs_[id];
  job.id = id;
  job.setup = std::move(setup);
  job.maps = opened.maps();
  job.reduces = opened.reduces();
  job.output_directory = opened.output_directory();
  job.outputs.resize(job.maps);
}

void Worker::Core::Assign(const v1::Assign& assign) {
  const plan::AttemptRef ref = FromWire(assign.attempt());
  if (attempts_.contains(Id(ref))) return;
  const auto job = jobs_.find(ref.task.job);
  if (job == jobs_.end()) return Refuse(ref, "this worker cannot read the job's definition");
  if (BusySlots() >= options_.slots || drains_ > 0) return Refuse(ref, "no free slot");
  if (absl::Status made = files_.MakeDirectories(JobDirectory(scratch_.path(), job->first));
      !made.ok()) {
    return Refuse(ref, std::string(made.message()));
  }
  StartAttempt(job->second, ref, assign);
}

void Worker::Core::StartAttempt(OpenJob& job, const plan::AttemptRef& ref,
                                const v1::Assign& assign) {
  const bool map = ref.task.phase == plan::Phase::kMap;
  Running& running = attempts_[Id(ref)];
  running.ref = running.progress.attempt = ref;
  AttemptSpec spec;
  spec.id = Id(ref);
  spec.job = job.setup;
  spec.phase = ref.task.phase;
  spec.index = ref.task.index;
  spec.number = running.progress.number = assign.number();
  running.progress.kind = FromWire(assign.kind());
  for (const auto& record : assign.skip()) spec.skip.push_back(FromWire(record));
  if (map) {
    spec.split = FromWire(assign.split());
    running.split_bytes = spec.split.SizeBytes();
  } else {
    spec.maps = job.maps;
  }
  if (map && !job.map_only()) {
    running.output_path = MapOutputPath(scratch_.path(), {job.id, ref.task.index, ref.id});
    spec.output_path = running.output_path;
  } else {
    spec.output_path =
        OutputDirectory(&files_, job.output_directory, job.setup->settings.durability)
            .PartPath(job.map_only(), ref.task.index, job.setup->settings.compress_output);
  }
  if (!map) inputs_.Start(spec.id, &job, ref.task.index);
  counts_.Started(ref.task.phase);
  (void)pool_->Start(std::move(spec));
}

std::uint32_t Worker::Core::BusySlots() const {
  return static_cast<std::uint32_t>(std::count_if(
      attempts_.begin(), attempts_.end(), [](const auto& each) { return !each.second.over; }));
}

void Worker::Core::Refuse(const plan::AttemptRef& ref, std::string why) {
  Running& running = attempts_[Id(ref)];
  running.ref = running.progress.attempt = ref;
  Failed(Id(ref), {plan::FailureKind::kKilled, std::move(why), {}, {}, TaskFailure::kNoMap});
}

void Worker::Core::Learn(const v1::MapOutputs& outputs) {
  for (const v1::WorkerPlace& place : outputs.places()) inputs_.LearnPlace(place);
  const auto found = jobs_.find(JobId{outputs.job()});
  if (outputs.outputs().empty() || found == jobs_.end()) {
    return inputs_.Retry(nullptr, std::nullopt);
  }
  OpenJob& job = found->second;
  for (const v1::MapOutput& output : outputs.outputs()) {
    if (output.map() >= job.maps) continue;
    job.outputs[output.map()] = plan::MapOutput{
        FromWire(output.worker()), plan::AttemptId{output.attempt()}, output.size_bytes()};
  }
  inputs_.Retry(&job, std::nullopt);
}

void Worker::Core::Release(JobId id) {
  for (auto& [attempt, running] : attempts_) {
    if (running.ref.task.job != id) continue;
    pool_->Cancel(attempt);
    inputs_.Stop(attempt);
  }
  if (jobs_.erase(id) > 0) RemoveLater(JobDirectory(scratch_.path(), id));
}

void Worker::Core::RemoveLater(std::string path) {
  cleaner_.Post([this, path = std::move(path)] { (void)files_.RemoveTree(path); });
}

void Worker::Core::AskCommit(std::uint64_t id) {
  const auto found = attempts_.find(id);
  if (found == attempts_.end() || found->second.over) return;
  Running& attempt = found->second;
  attempt.asked_ms = io::SteadyMs();
  attempt.commit_retry_ms = attempt.asked_ms + kCommitRetryMs;
  if (!attachment_.attached()) return;
  v1::WorkerMessage message;
  *message.mutable_commit()->mutable_attempt() = ToWire(attempt.ref);
  if (const std::uint64_t sequence = Send(std::move(message)); sequence != 0) {
    commits_[sequence] = id;
    attempt.commit_retry_ms = 0;
  }
}

void Worker::Core::Succeeded(std::uint64_t id, const TaskResult& result) {
  const auto found = attempts_.find(id);
  if (found == attempts_.end()) return;
  counts_.Succeeded(found->second.ref.task.phase, !found->second.output_path.empty(), result);
  v1::WorkerMessage message;
  v1::AttemptSucceeded* body = message.mutable_succeeded();
  *body->mutable_attempt() = ToWire(found->second.ref);
  body->set_output_bytes(result.output_bytes);
  *body->mutable_result() = ToWire(result);
  Report(id, std::move(message));
}

void Worker::Core::Failed(std::uint64_t id, const AttemptFailure& failure) {
  const auto found = attempts_.find(id);
  if (found == attempts_.end()) return;
  counts_.Failed(found->second.ref.task.phase, failure.kind);
  v1::WorkerMessage message;
  v1::AttemptFailed* body = message.mutable_failed();
  *body->mutable_attempt() = ToWire(found->second.ref);
  body->set_kind(static_cast<v1::FailureKind>(failure.kind));
  body->set_message(failure.message);
  body->set_stderr_tail(failure.stderr_tail);
  if (failure.record) *body->mutable_record() = ToWire(*failure.record);
  if (failure.lost_map != TaskFailure::kNoMap) {
    v1::FetchSource* source = body->add_fetch();
    source->set_map(failure.lost_map);
    source->set_map_attempt(static_cast<std::uint64_t>(inputs_.GivenFrom(id, failure.lost_map)));
    source->set_corrupt(true);
  }
  Report(id, std::move(message));
}

/// Said until it is answered.
void Worker::Core::Report(std::uint64_t id, v1::WorkerMessage message) {
  Running& attempt = attempts_[id];
  attempt.over = true;
  attempt.commit_retry_ms = 0;
  inputs_.Stop(id);
  // What it made while its job's directory was being removed.
  if (const JobId job = attempt.ref.task.job; !jobs_.contains(job)) {
    RemoveLater(JobDirectory(scratch_.path(), job));
  }
  message.set_sequence(++sequence_);
  if (attachment_.attached()) (void)link_.Send(message);
  reports_[sequence_] = {id, std::move(message)};
}

void Worker::Core::Forget(std::uint64_t id) {
  attempts_.erase(id);
}

// ---- The handle

Worker::Worker(std::unique_ptr<Core> core) : core_(std::move(core)) {}
Worker::~Worker() = default;

absl::StatusOr<std::unique_ptr<Worker>> Worker::Start(WorkerOptions options) {
  if (options.slots == 0) options.slots = DefaultSlots();
  if (options.memory_bytes == 0) options.memory_bytes = DefaultMemoryBytes();
  if (!options.directory.empty()) {  // other workers are told of it
    options.directory = std::filesystem::absolute(options.directory).lexically_normal().string();
  }
  TRIREME_ASSIGN_OR_RETURN(WorkerIdentity identity, WorkerIdentity::Claim(options.directory));
  TRIREME_ASSIGN_OR_RETURN(ScratchDirectory scratch, ScratchDirectory::Make(options.directory));
  auto core = std::make_unique<Core>(std::move(options), std::move(identity), std::move(scratch));
  TRIREME_RETURN_IF_ERROR(core->Start());
  return std::unique_ptr<Worker>(new Worker(std::move(core)));
}

const rpc::Address& Worker::shuffle_address() const {
  return core_->shuffle_address();
}
const std::optional<rpc::Address>& Worker::http_address() const {
  return core_->pages().address();
}
std::uint64_t Worker::turns() const {
  return core_->counts().turns();
}
void Worker::Drain() {
  core_->Drain();
}
absl::Status Worker::Wait(bool* hung) {
  return core_->Wait(hung);
}

}  // namespace trireme::mapreduce::cluster
