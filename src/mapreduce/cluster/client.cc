#include "mapreduce/cluster/client.h"

#include <sys/random.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "fmt/format.h"
#include "mapreduce/cluster/coordinator.h"
#include "mapreduce/cluster/wire.h"
#include "rpc/metadata.h"

namespace trireme::mapreduce::cluster {
namespace {

using Clock = std::chrono::steady_clock;

constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr std::chrono::milliseconds kRetryDelay{100};
/// A followed job that says nothing for this long is asked about anew, in case it is the
/// connection that has died.
constexpr absl::Duration kFollowCallTimeout = absl::Seconds(20);

std::uint64_t RandomWord() {
  std::uint64_t word = 0;
  TRIREME_CHECK(::getrandom(&word, sizeof word, 0) == sizeof word);
  return word;
}

bool Unreachable(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

std::string Absolute(const std::string& path) {
  if (io::IsObjectPath(path)) return path;
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.lexically_normal().string();
}

/// The code so that it means the same wherever a worker runs it.
JobCode Portable(JobCode code) {
  if (auto* plugin = std::get_if<PluginCode>(&code)) plugin->path = Absolute(plugin->path);
  if (auto* binary = std::get_if<BinaryCode>(&code)) {
    std::error_code error;
    const auto real = std::filesystem::canonical(binary->path, error);
    binary->path = error ? Absolute(binary->path) : real.string();
  }
  return code;
}

v1::JobDefinition DefinitionOf(const PreparedJob& prepared) {
  const std::string here = std::filesystem::current_path().string();
  JobSetup setup = *prepared.setup;
  setup.code = Portable(setup.code);
  setup.working_directory = here;
  v1::JobDefinition definition;
  definition.set_submission(RandomWord());
  if (!prepared.spec.durable_outputs) setup.intermediate.clear();
  if (!setup.intermediate.empty()) {
    const char* slash = setup.intermediate.ends_with('/') ? "" : "/";
    setup.intermediate += fmt::format("{}trireme-{:016x}", slash, definition.submission());
    definition.set_intermediate_directory(setup.intermediate);
  }
  definition.set_setup(Encode(setup));
  for (const Split& split : prepared.splits) *definition.add_splits() = ToWire(split);
  definition.set_output_directory(Absolute(prepared.output));
  definition.set_submitted_unix_ms(std::chrono::duration_cast<std::chrono::milliseconds>(
                                       std::chrono::system_clock::now().time_since_epoch())
                                       .count());
  definition.set_input_bytes(prepared.input_bytes);
  definition.set_input_files(prepared.input_files);
  return definition;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Create(const Whereabouts& where) {
  std::unique_ptr<Client> client(new Client());
  if (const auto* address = std::get_if<rpc::Address>(&where)) {
    client->given_ = {*address};
    TRIREME_RETURN_IF_ERROR(client->Reach({*address}));
    return client;
  }
  // A leader that cannot be connected to is tried by the calls, which say why.
  const auto reach = [self = client.get()](const Leader& leader) {
    self->Reach(leader.addresses).IgnoreError();
  };
  TRIREME_ASSIGN_OR_RETURN(client->leader_watch_, LeaderWatch::Start(std::get<KvOptions>(where),
                                                                     reach, io::LogLevel::kInfo));
  TRIREME_ASSIGN_OR_RETURN(const Leader leader, client->leader_watch_->Await(kReachPatienceMs));
  if (client->moves() == 0) TRIREME_RETURN_IF_ERROR(client->Reach(leader.addresses));
  return client;
}

Client::~Client() {
  leader_watch_.reset();  // it calls Reach
}

std::pair<std::shared_ptr<rpc::Channel>, std::uint64_t> Client::Channel() const {
  const std::lock_guard lock(mutex_);
  return {channel_, moves_};
}

absl::Status Client::Reach(std::vector<rpc::Address> addresses) {
  {
    const std::lock_guard lock(mutex_);
    addresses_ = std::move(addresses);
    next_address_ = 0;
  }
  return Connect();
}

/// To the next of the addresses. Calls under way on the old channel end at once.
absl::Status Client::Connect() {
  std::shared_ptr<rpc::Channel> old;
  {
    const std::lock_guard lock(mutex_);
    rpc::ChannelOptions options;
    options.receive_message_bytes_max = kSubmissionBytesMax;
    options.send_queue_bytes_max = kSubmissionBytesMax;
    options.reconnect_delay_max = absl::Milliseconds(500);
    TRIREME_ASSIGN_OR_RETURN(
        auto channel,
        rpc::Channel::Create(addresses_[next_address_++ % addresses_.size()], options));
    old = std::exchange(channel_, std::move(channel));
    ++moves_;
  }
  if (old != nullptr) old->Close();
  return absl::OkStatus();
}

/// Whoever was asked does not answer, or says that another leads.
void Client::TryAnother(const rpc::ReplyMetadata& metadata) {
  const std::string* hint = rpc::FindMetadata(metadata.trailing, kLeaderMetadata);
  std::vector<rpc::Address> addresses = ParseAddresses(hint == nullptr ? "" : *hint);
  if (!addresses.empty() && !given_.empty()) {
    addresses.insert(addresses.end(), given_.begin(), given_.end());
    return Reach(std::move(addresses)).IgnoreError();
  }
  std::unique_lock lock(mutex_);
  if (addresses_.size() < 2) return;
  lock.unlock();
  Connect().IgnoreError();
}

absl::Status Client::Explain(const absl::Status& status) const {
  if (!Unreachable(status)) return status;
  const std::string where = Channel().first->address().ToString();
  return absl::UnavailableError(
      fmt::format("no coordinator answers at {}: {} (start one with `trireme mr coordinator "
                  "--listen {}`)",
                  where, std::string(status.message()), where));
}

/// A coordinator that is being restarted, or another that takes over, is there again soon.
template <class Call>
auto Client::Retry(Call call) -> decltype(call(std::declval<Stub>(), nullptr)) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(kReachPatienceMs);
  for (;;) {
    const auto [channel, moves_before] = Channel();
    rpc::ReplyMetadata metadata;
    auto reply = call(Stub(channel), &metadata);
    if (reply.ok()) return reply;
    const bool moved = moves() != moves_before;
    if (!(moved || Unreachable(reply.status())) || Clock::now() >= deadline) {
      return Explain(reply.status());
    }
    if (moved) continue;
    TryAnother(metadata);
    std::this_thread::sleep_for(kRetryDelay);
  }
}

absl::StatusOr<std::uint64_t> Client::Submit(const PreparedJob& prepared) {
  v1::SubmitJobRequest request;
  const v1::JobDefinition definition = DefinitionOf(prepared);
  *request.mutable_spec() = ToWire(prepared.spec);
  request.mutable_spec()->set_definition(definition.SerializeAsString());
  request.set_overwrite(prepared.overwrite);
  if (request.ByteSizeLong() > kSubmissionBytesMax) {
    return absl::ResourceExhaustedError(
        fmt::format("the job's {} splits take more than {} bytes: use a larger --split-size",
                    prepared.splits.size(), kSubmissionBytesMax));
  }
  const auto reply = Retry([&](const Stub& stub, rpc::ReplyMetadata* metadata) {
    return stub.SubmitJob(request, {.timeout = kCallTimeout}, metadata);
  });
  if (!reply.ok()) return reply.status();
  return reply->job();
}

absl::StatusOr<v1::JobStatus> Client::Status(std::uint64_t job) {
  v1::JobRequest request;
  request.set_job(job);
  return Retry([&](const Stub& stub, rpc::ReplyMetadata* metadata) {
    return stub.GetJob(request, {.timeout = kCallTimeout}, metadata);
  });
}

absl::StatusOr<v1::JobStatus> Client::Cancel(std::uint64_t job) {
  v1::JobRequest request;
  request.set_job(job);
  return Retry([&](const Stub& stub, rpc::ReplyMetadata* metadata) {
    return stub.CancelJob(request, {.timeout = kCallTimeout}, metadata);
  });
}

absl::Status Client::TryCancel(std::uint64_t job) {
  v1::JobRequest request;
  request.set_job(job);
  const auto [channel, moves_before] = Channel();
  rpc::ReplyMetadata metadata;
  const absl::Status status =
      Stub(channel)
          .CancelJob(request, {.timeout = absl::Milliseconds(kCancelTryMs)}, &metadata)
          .status();
  if (status.ok()) return status;
  const bool moved = moves() != moves_before;
  if (!moved && Unreachable(status)) TryAnother(metadata);
  return moved ? absl::UnavailableError(status.message()) : Explain(status);
}

absl::StatusOr<v1::ListJobsReply> Client::Jobs() {
  return Retry([&](const Stub& stub, rpc::ReplyMetadata* metadata) {
    return stub.ListJobs({}, {.timeout = kCallTimeout}, metadata);
  });
}

absl::StatusOr<v1::ListWorkersReply> Client::Workers() {
  return Retry([&](const Stub& stub, rpc::ReplyMetadata* metadata) {
    return stub.ListWorkers({}, {.timeout = kCallTimeout}, metadata);
  });
}

absl::StatusOr<v1::Timeline> Client::Timeline(std::uint64_t job) {
  v1::JobRequest request;
  request.set_job(job);
  return Retry([&](const Stub& stub, rpc::ReplyMetadata* metadata) {
    return stub.GetTimeline(request, {.timeout = kCallTimeout}, metadata);
  });
}

absl::StatusOr<v1::JobStatus> Client::Follow(std::uint64_t job, const OnStatus& on_status,
                                             const std::atomic<int>* interrupts,
                                             const std::function<bool()>& on_interrupt) {
  v1::JobRequest request;
  request.set_job(job);
  // A stream blocks its reader, so the interrupts are watched from beside it.
  std::atomic<bool> over{false}, left{false};
  std::atomic<bool> asks{false};  // on_interrupt is called, and is not true yet
  std::mutex mutex;
  rpc::ClientStream<v1::JobRequest, v1::JobStatus>* current = nullptr;
  std::thread watch([&] {
    bool told = false, taken = false;
    while (!over && interrupts != nullptr) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      const int count = *interrupts;
      asks = on_interrupt && !taken && (count == 1 || (count > 1 && !told));
      if (asks) taken = on_interrupt();
      told = told || count > 0;
      if (count < (on_interrupt ? 2 : 1)) continue;
      left = true;
      const std::lock_guard lock(mutex);
      if (current != nullptr) current->Cancel();
    }
  });
  auto heard = Clock::now();
  absl::StatusOr<v1::JobStatus> last =
      absl::UnknownError("the coordinator said nothing of the job");
  absl::Status end;
  for (;;) {
    const auto [channel, moves_before] = Channel();
    auto stream = Stub(channel).WaitJob(request, {.timeout = kFollowCallTimeout});
    {
      const std::lock_guard lock(mutex);
      current = &stream;
    }
    v1::JobStatus status;
    while (!left && stream.Read(&status)) {
      heard = Clock::now();
      on_status(status);
      last = status;
    }
    if (left) stream.Cancel();
    end = stream.Finish();
    {
      const std::lock_guard lock(mutex);
      current = nullptr;
    }
    const bool patient = Clock::now() - heard < std::chrono::milliseconds(kFollowPatienceMs);
    const bool moved = moves() != moves_before;
    if (left || end.ok() || !(moved || Unreachable(end)) || !(patient || asks)) break;
    if (moved) continue;
    TryAnother(stream.reply_metadata());
    std::this_thread::sleep_for(kRetryDelay);
  }
  over = true;
  watch.join();
  if (left) return absl::CancelledError("interrupted");
  if (!end.ok()) return Explain(end);
  return last;
}

// ---- As a report

JobProgress ProgressOf(const v1::JobStatus& status) {
  return {status.maps().total(),    status.maps().succeeded(),
          status.reduces().total(), status.reduces().succeeded(),
          status.input_bytes(),     status.input_bytes_read(),
          status.maps().progress(), status.reduces().progress(),
          status.elapsed_ms(),      status.stats().map_output_bytes()};
}

namespace {

/// A worker that a former coordinator without a KV knew has no name here but its number.
std::string LaneOf(std::uint64_t worker, const std::string& host) {
  return host.empty() ? fmt::format("worker {:x}", worker) : fmt::format("worker {}", host);
}

void AddAttempts(const v1::Timeline& timeline, JobReport* to) {
  std::map<std::uint64_t, std::uint32_t> lanes;
  std::map<std::uint64_t, std::string> hosts;
  for (const v1::WorkerStatus& worker : timeline.workers()) {
    hosts[worker.worker().id()] = worker.host();
  }
  std::map<std::uint64_t, std::uint64_t> running;  // what they have read
  for (const v1::RunningAttempt& one : timeline.status().running())
    running[one.attempt().id()] = one.bytes();
  for (const v1::AttemptTrace& trace : timeline.attempts()) {
    const auto [lane, added] =
        lanes.try_emplace(trace.worker(), static_cast<std::uint32_t>(to->lanes.size()));
    if (added) to->lanes.push_back(LaneOf(trace.worker(), hosts[trace.worker()]));
    ReportAttempt& bar = to->attempts.emplace_back();
    bar.phase = trace.attempt().task().reduce() ? plan::Phase::kReduce : plan::Phase::kMap;
    bar.index = trace.attempt().task().index();
    bar.number = trace.number();
    bar.lane = lane->second;
    bar.kind = static_cast<plan::AttemptKind>(trace.kind_number());
    bar.end = static_cast<plan::AttemptEnd>(trace.end_number());
    bar.start_ms = trace.start_ms();
    bar.end_ms = trace.end_ms() == 0 ? to->total_ms : trace.end_ms();
    bar.input_bytes = trace.result().input_bytes();
    bar.output_bytes = trace.result().output_bytes();
    bar.records = trace.result().input_records();
    bar.note = trace.note();
    const auto said = running.find(trace.attempt().id());
    if (bar.end == plan::AttemptEnd::kRunning && said != running.end())
      bar.input_bytes = said->second;
  }
}

void Explain(const v1::JobFailure& failure, const std::string& worker, JobReport* to) {
  to->error = failure.message();
  if (failure.attempt() != 0) {
    to->error = fmt::format("{} (worker {})", failure.message(), worker);
  }
  to->stderr_tail = failure.stderr_tail();
}

}  // namespace

JobReport ReportOf(const v1::Timeline& timeline) {
  const v1::JobStatus& status = timeline.status();
  JobReport to;
  to.name = status.name();
  to.state = FromWire(status.state());
  if (status.has_failure()) Explain(status.failure(), status.failed_worker(), &to);
  to.output = status.output_directory();
  to.started_unix_ms = status.submitted_unix_ms();
  to.total_ms = status.elapsed_ms();
  to.maps_ms = timeline.maps_done_ms();
  to.maps = status.maps().total();
  to.reduces = status.reduces().total();
  to.input_bytes = status.input_bytes();
  to.input_files = status.input_files();
  to.output_bytes = status.stats().output_bytes();
  to.stats = FromWire(status.stats());
  to.counters = FromWire(status.counters());
  AddAttempts(timeline, &to);
  return to;
}

namespace {

/// The user wants the job to end: it is asked for until a coordinator has taken it.
class Cancellation {
 public:
  Cancellation(Client& client, std::uint64_t job, const ClusterRunOptions& options)
      : client_(client), job_(job), options_(options) {}

  bool Try() {
    const absl::Status status = client_.TryCancel(job_);
    taken_ = !Unreachable(status);
    if (!taken_ && !std::exchange(told_, true)) {
      Tell(
          fmt::format("job {}: its cancellation waits: {}; interrupt again to leave the job as it "
                      "is",
                      job_, std::string(status.message())));
    }
    return taken_;
  }

  /// Once the user has left without waiting for the job's end; one line.
  std::string WhatIsLeft() const {
    if (taken_) return fmt::format("job {} is being cancelled", job_);
    return fmt::format(
        "job {} was not cancelled, as no coordinator answers: it may run on; `trireme mr cancel "
        "{}` "
        "when one does",
        job_, job_);
  }

 private:
  void Tell(const std::string& line) const {
    if (options_.on_trouble) options_.on_trouble(line);
  }

  Client& client_;
  const std::uint64_t job_;
  const ClusterRunOptions& options_;
  bool told_ = false;
  std::atomic<bool> taken_{false};
};

}  // namespace

absl::StatusOr<JobReport> RunOnCluster(const PreparedJob& prepared,
                                       const ClusterRunOptions& options) {
  TRIREME_ASSIGN_OR_RETURN(auto client, Client::Create(options.coordinator));
  TRIREME_ASSIGN_OR_RETURN(const std::uint64_t job, client->Submit(prepared));
  if (options.on_submitted) options.on_submitted(job);
  std::vector<ReportSample> samples;
  const auto on_status = [&](const v1::JobStatus& status) {
    samples.push_back({status.elapsed_ms(), status.input_bytes_read(),
                       static_cast<std::uint64_t>(status.running_size())});
    if (options.on_progress) options.on_progress(ProgressOf(status));
  };
  Cancellation cancellation(*client, job, options);
  const auto ended =
      client->Follow(job, on_status, options.interrupts, [&] { return cancellation.Try(); });
  if (absl::IsCancelled(ended.status())) {
    JobReport report;
    report.name = prepared.spec.name;
    report.state = plan::JobState::kCancelled;
    report.error = cancellation.WhatIsLeft();
    return report;
  }
  if (!ended.ok()) return ended.status();
  TRIREME_ASSIGN_OR_RETURN(const v1::Timeline timeline, client->Timeline(job));
  JobReport report = ReportOf(timeline);
  report.output = prepared.output;
  report.samples = std::move(samples);
  return report;
}

}  // namespace trireme::mapreduce::cluster
