#include "hullbench/idle.h"

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"
#include "io/clock.h"
#include "rpc/channel.h"
#include "trireme/mapreduce/v1/control.trireme.h"

namespace trireme::bench {
namespace {

namespace v1 = mapreduce::v1;

/// Threads that all connections share.
constexpr std::size_t kLoops = 2;
constexpr std::int64_t kBeatMs = 300;  // a tenth of the default lease
constexpr std::int64_t kLimitMs = 300'000;

/// What all workers count together.
struct Tally {
  std::atomic<std::uint32_t> registered{0};
  std::atomic<std::uint64_t> tasks{0};
};

/// One idle worker. OnOrder runs on the channel's io thread, Beat on the main thread.
class IdleWorker : public std::enable_shared_from_this<IdleWorker> {
 public:
  IdleWorker(std::uint64_t id, Tally* tally) : id_(id), tally_(*tally) {}

  void Attach(const std::shared_ptr<rpc::Channel>& channel) {
    class Handler final : public rpc::StreamHandler<v1::WorkerOrder> {
     public:
      explicit Handler(std::shared_ptr<IdleWorker> worker) : worker_(std::move(worker)) {}
      void OnMessage(v1::WorkerOrder order) override { worker_->OnOrder(order); }
      void OnDone(absl::Status, rpc::Metadata) override {}

     private:
      const std::shared_ptr<IdleWorker> worker_;
    };
    channel_ = channel;
    const std::lock_guard lock(mutex_);
    stream_.emplace(v1::CoordinatorStub(channel).AttachAsync(
        rpc::CallOptions{}, std::make_unique<Handler>(shared_from_this())));
    v1::WorkerMessage message;
    v1::Register* body = message.mutable_register_();
    body->mutable_place()->mutable_worker()->set_id(id_);
    body->mutable_place()->mutable_worker()->set_incarnation(1);
    body->mutable_place()->set_host(fmt::format("idle:{}", id_));
    body->set_slots(1);
    Send(std::move(message));
  }

  void Beat() {
    const std::lock_guard lock(mutex_);
    v1::WorkerMessage message;
    message.mutable_heartbeat()->set_slots(1);
    if (running_) *message.mutable_heartbeat()->add_running()->mutable_attempt() = *running_;
    Send(std::move(message));
  }

  void Close() { channel_->Close(); }

 private:
  void OnOrder(const v1::WorkerOrder& order) {
    const std::lock_guard lock(mutex_);
    if (order.has_assign()) return Do(order.assign().attempt());
    if (!order.has_answer()) return;
    if (!registered_ && order.answer().outcome() == v1::OUTCOME_OK) {
      registered_ = true;
      ++tally_.registered;
    }
    if (order.answer().outcome() == v1::OUTCOME_COMMIT_GRANTED && running_) Succeed();
  }

  void Do(const v1::AttemptRef& attempt) {
    running_ = attempt;
    if (!attempt.task().reduce()) return Succeed();
    v1::WorkerMessage message;
    *message.mutable_commit()->mutable_attempt() = attempt;
    Send(std::move(message));
  }

  void Succeed() {
    v1::WorkerMessage message;
    *message.mutable_succeeded()->mutable_attempt() = *std::exchange(running_, std::nullopt);
    ++tally_.tasks;
    Send(std::move(message));
  }

  void Send(v1::WorkerMessage message) {
    message.set_sequence(++sequence_);
    stream_->Write(message);
  }

  const std::uint64_t id_;
  Tally& tally_;
  std::shared_ptr<rpc::Channel> channel_;
  std::mutex mutex_;
  std::optional<rpc::AsyncStream<v1::WorkerMessage>> stream_;  // Guarded by mutex_.
  std::optional<v1::AttemptRef> running_;                      // Guarded by mutex_.
  std::uint64_t sequence_ = 0;                                 // Guarded by mutex_.
  bool registered_ = false;                                    // Guarded by mutex_.
};

absl::Status UntilRegistered(const Tally& tally, std::uint32_t workers) {
  const std::int64_t end = io::SteadyMs() + kLimitMs;
  while (tally.registered < workers) {
    if (io::SteadyMs() > end) {
      return absl::DeadlineExceededError(
          fmt::format("{} of {} workers were registered", tally.registered.load(), workers));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return absl::OkStatus();
}

v1::SubmitJobRequest Request(const IdleOptions& options) {
  v1::JobDefinition definition;
  definition.set_submission(static_cast<std::uint64_t>(io::SteadyMs()) << 20 | 1);
  definition.set_setup("idle");
  for (std::uint32_t map = 0; map < options.maps; ++map) {
    v1::InputRange* range = definition.add_splits()->add_ranges();
    range->set_path("/dev/null");
    range->set_offset(map);
    range->set_length(1);
  }
  definition.set_output_directory(options.output);
  v1::SubmitJobRequest request;
  v1::JobSpec* spec = request.mutable_spec();
  spec->set_name("idle");
  spec->set_maps(options.maps);
  spec->set_reduces(options.reduces);
  spec->set_max_attempts(4);
  spec->set_task_timeout_ms(600'000);
  spec->set_definition(definition.SerializeAsString());
  return request;
}

absl::StatusOr<double> RunJob(const std::shared_ptr<rpc::Channel>& channel,
                              const IdleOptions& options,
                              const std::deque<std::shared_ptr<IdleWorker>>& workers) {
  const v1::CoordinatorStub stub(channel);
  const v1::SubmitJobRequest request = Request(options);
  const std::int64_t start = io::SteadyMs();
  TRIREME_ASSIGN_OR_RETURN(const v1::SubmitJobReply job, stub.SubmitJob(request));
  v1::JobRequest question;
  question.set_job(job.job());
  std::int64_t next_beat = start + kBeatMs;
  while (io::SteadyMs() - start < kLimitMs) {
    if (io::SteadyMs() >= next_beat) {
      for (const auto& worker : workers) worker->Beat();
      next_beat = io::SteadyMs() + kBeatMs;
    }
    TRIREME_ASSIGN_OR_RETURN(const v1::JobStatus status, stub.GetJob(question));
    if (status.state() == v1::JOB_STATE_SUCCEEDED) {
      return static_cast<double>(io::SteadyMs() - start) / 1e3;
    }
    if (status.state() >= v1::JOB_STATE_FAILED) {
      return absl::InternalError(fmt::format("the idle job ended: {}", status.ShortDebugString()));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return absl::DeadlineExceededError("the idle job was not over in time");
}

}  // namespace

absl::StatusOr<IdleResult> RunIdle(const IdleOptions& options) {
  TRIREME_ASSIGN_OR_RETURN(const rpc::Address address, rpc::ParseAddress(options.coordinator));
  std::vector<std::shared_ptr<rpc::Loop>> loops;
  for (std::size_t i = 0; i < kLoops; ++i) loops.push_back(rpc::Loop::Create());
  Tally tally;
  IdleResult result;
  std::deque<std::shared_ptr<IdleWorker>> workers;
  const std::int64_t start = io::SteadyMs();
  for (std::uint32_t i = 0; i < options.workers; ++i) {
    rpc::ChannelOptions channel_options;
    channel_options.loop = loops[i % kLoops];
    TRIREME_ASSIGN_OR_RETURN(auto channel, rpc::Channel::Create(address, channel_options));
    workers.push_back(std::make_shared<IdleWorker>(i + 1, &tally));
    workers.back()->Attach(channel);
  }
  absl::Status registered = UntilRegistered(tally, options.workers);
  result.attach_s = static_cast<double>(io::SteadyMs() - start) / 1e3;
  if (registered.ok()) {
    rpc::ChannelOptions channel_options;
    channel_options.send_queue_bytes_max = 256u << 20;
    TRIREME_ASSIGN_OR_RETURN(auto channel, rpc::Channel::Create(address, channel_options));
    const absl::StatusOr<double> seconds = RunJob(channel, options, workers);
    registered = seconds.status();
    if (seconds.ok()) result.job_s = *seconds;
  }
  for (const auto& worker : workers) worker->Close();
  if (!registered.ok()) return registered;
  return result;
}

}  // namespace trireme::bench
