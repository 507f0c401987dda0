#include "rpc/echo_service.h"

#include <chrono>
#include <thread>

namespace trireme::test {
namespace {

void EchoMetadata(rpc::ServerCall& call) {
  for (const auto& [key, value] : call.request_metadata()) {
    if (key.starts_with("echo-")) call.AddInitialMetadata(key, value);
    if (key.starts_with("trail-")) call.AddTrailingMetadata(key, value);
  }
}

/// Writes numbered replies whenever there is room, so that a slow reader holds it back.
class Expansion : public std::enable_shared_from_this<Expansion> {
 public:
  Expansion(EchoRequest request, rpc::ReplyWriter<EchoReply> replies)
      : request_(std::move(request)), replies_(std::move(replies)) {}

  void Continue() {
    while (!replies_.cancelled() && replies_.queued_bytes() < rpc::kSendQueueBytesLow) {
      if (request_.count() != 0 && index_ == request_.count()) return End();
      replies_.Write(ReplyTo(request_, index_++));
    }
    if (replies_.cancelled()) return;
    replies_.OnWritable([self = shared_from_this()] { self->Continue(); });
  }

 private:
  void End() { replies_.Finish(RequestedError(request_)); }

  EchoRequest request_;
  rpc::ReplyWriter<EchoReply> replies_;
  std::uint32_t index_ = 0;
};

class Collector final : public rpc::RequestHandler<EchoRequest> {
 public:
  explicit Collector(rpc::ReplyWriter<EchoReply> replies) : replies_(std::move(replies)) {}
  void OnMessage(EchoRequest request) override {
    if (request.error_code() != 0) failure_ = RequestedError(request);
    sum_ += request.payload();
    ++count_;
  }
  void OnHalfClose() override {
    if (!failure_.ok()) return replies_.Finish(failure_);
    EchoReply reply;
    reply.set_payload(sum_);
    reply.set_index(count_);
    replies_.FinishWith(reply);
  }

 private:
  rpc::ReplyWriter<EchoReply> replies_;
  std::string sum_;
  std::uint32_t count_ = 0;
  absl::Status failure_;
};

class Chatter final : public rpc::RequestHandler<EchoRequest> {
 public:
  Chatter(rpc::ReplyWriter<EchoReply> replies, std::atomic<int>* cancelled)
      : replies_(std::move(replies)), cancelled_(cancelled) {}
  void OnMessage(EchoRequest request) override {
    if (replies_.finished()) return;
    if (request.error_code() != 0) return replies_.Finish(RequestedError(request));
    replies_.Write(ReplyTo(request, index_++));
  }
  void OnHalfClose() override {
    if (!replies_.finished()) replies_.Finish(absl::OkStatus());
  }
  void OnCancel() override { ++*cancelled_; }

 private:
  rpc::ReplyWriter<EchoReply> replies_;
  std::atomic<int>* cancelled_;
  std::uint32_t index_ = 0;
};

}  // namespace

bool WaitUntil(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

void EchoService::Say(rpc::UnaryCall<EchoRequest, EchoReply> call) {
  ++started;
  EchoMetadata(call.call());
  if (call.call().deadline() != absl::InfiniteFuture()) saw_deadline = true;
  if (call.request().hang()) return Hang(std::move(call));
  if (call.request().error_code() != 0) return call.Finish(RequestedError(call.request()));
  call.Finish(ReplyTo(call.request()));
}

void EchoService::Hang(rpc::UnaryCall<EchoRequest, EchoReply> call) {
  auto held = std::make_shared<rpc::UnaryCall<EchoRequest, EchoReply>>(std::move(call));
  held->call().OnCancel([this, held] {
    ++cancelled;
    held->Finish(absl::CancelledError("nobody waits"));
  });
}

std::unique_ptr<rpc::RequestHandler<EchoRequest>> EchoService::Collect(
    rpc::ReplyWriter<EchoReply> replies) {
  ++started;
  EchoMetadata(replies.call());
  return std::make_unique<Collector>(std::move(replies));
}

void EchoService::Expand(EchoRequest request, rpc::ReplyWriter<EchoReply> replies) {
  ++started;
  EchoMetadata(replies.call());
  replies.call().OnCancel([this] { ++cancelled; });
  std::make_shared<Expansion>(std::move(request), std::move(replies))->Continue();
}

std::unique_ptr<rpc::RequestHandler<EchoRequest>> EchoService::Chat(
    rpc::ReplyWriter<EchoReply> replies) {
  ++started;
  EchoMetadata(replies.call());
  return std::make_unique<Chatter>(std::move(replies), &cancelled);
}

}  // namespace trireme::test
