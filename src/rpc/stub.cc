#include "rpc/stub.h"

#include <future>

#include "fmt/format.h"
#include "rpc/limits.h"
#include "rpc/server_call.h"
#include "rpc/service.h"
#include "rpc/status.h"

namespace trireme::rpc {

/// What the io thread and the reader share.
struct BlockingCall::Queue {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::string> messages;
  std::size_t bytes = 0;
  bool paused = false;
  bool done = false;
  absl::Status status;
  ReplyMetadata metadata;
  std::weak_ptr<ClientCall> call;
};

class BlockingCall::Handler final : public ReplyHandler {
 public:
  explicit Handler(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}

  void OnInitialMetadata(Metadata metadata) override {
    const std::lock_guard lock(queue_->mutex);
    queue_->metadata.initial = std::move(metadata);
  }
  void OnMessage(std::string message) override {
    std::shared_ptr<ClientCall> full;
    {
      const std::lock_guard lock(queue_->mutex);
      queue_->bytes += message.size();
      queue_->messages.push_back(std::move(message));
      if (queue_->bytes >= kReadQueueBytesMax && !std::exchange(queue_->paused, true)) {
        full = queue_->call.lock();
      }
    }
    queue_->changed.notify_all();
    if (full) full->PauseReading();
  }
  void OnDone(absl::Status status, Metadata trailing) override {
    const std::lock_guard lock(queue_->mutex);
    queue_->metadata.trailing = std::move(trailing);
    queue_->status = std::move(status);
    queue_->done = true;
    queue_->changed.notify_all();
  }

 private:
  const std::shared_ptr<Queue> queue_;
};

BlockingCall::BlockingCall(const std::shared_ptr<Channel>& channel, std::string_view method,
                           CallOptions options)
    : queue_(std::make_shared<Queue>()) {
  // Held over Start, so that a message cannot come before the queue knows its call.
  const std::lock_guard lock(queue_->mutex);
  call_ = channel->Start(method, std::move(options), std::make_unique<Handler>(queue_));
  queue_->call = call_;
}

BlockingCall::~BlockingCall() {
  if (call_) call_->Cancel();
}

bool BlockingCall::Read(std::string* message) {
  bool resume = false;
  {
    std::unique_lock lock(queue_->mutex);
    queue_->changed.wait(lock, [&] { return !queue_->messages.empty() || queue_->done; });
    if (queue_->messages.empty()) return false;
    *message = std::move(queue_->messages.front());
    queue_->messages.pop_front();
    queue_->bytes -= message->size();
    resume = queue_->paused && queue_->bytes < kReadQueueBytesMax / 2;
    if (resume) queue_->paused = false;
  }
  if (resume) call_->ResumeReading();
  return true;
}

absl::Status BlockingCall::Finish() {
  std::string ignored;
  while (Read(&ignored)) {
  }
  const std::lock_guard lock(queue_->mutex);
  return queue_->status;
}

const ReplyMetadata& BlockingCall::reply_metadata() const {
  return queue_->metadata;
}

absl::StatusOr<std::string> UnaryBytes(const std::shared_ptr<Channel>& channel,
                                       std::string_view method, Payload request,
                                       CallOptions options, ReplyMetadata* metadata) {
  // On the heap, since the io thread may still be in set_value when the waiter has its answer.
  auto promise = std::make_shared<std::promise<absl::StatusOr<std::string>>>();
  auto future = promise->get_future();
  channel->StartUnary(method, std::move(request), std::move(options),
                      [promise, metadata](absl::StatusOr<std::string> reply, ReplyMetadata got) {
                        if (metadata != nullptr) *metadata = std::move(got);
                        promise->set_value(std::move(reply));
                      });
  return future.get();
}

namespace internal {

absl::Status UnparsableReply(std::string_view method) {
  return WithOutcome(absl::InternalError(
                         fmt::format("the reply of {} does not parse as its message type", method)),
                     Outcome::kUnknown);
}

absl::Status UnparsableRequest(const ServerCall& call) {
  return absl::InternalError(
      fmt::format("the request of {} does not parse as its message type", call.method()));
}

}  // namespace internal

}  // namespace trireme::rpc
