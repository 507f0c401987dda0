#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/codec.h"
#include "rpc/server.h"
#include "rpc/server_call.h"

/// The typed side of a server: what generated service classes are made of.
namespace trireme::rpc {

/// The server's end of a call that answers with messages of type Reply. Move-only; its methods are
/// as thread-safe as ServerCall's. A handle dropped unfinished ends its call with INTERNAL.
template <class Reply>
class ReplyWriter {
 public:
  explicit ReplyWriter(std::shared_ptr<ServerCall> call) : call_(std::move(call)) {}
  ReplyWriter(ReplyWriter&&) = default;
  ReplyWriter& operator=(ReplyWriter&& other) {
    Abandon();
    call_ = std::move(other.call_);
    return *this;
  }
  ~ReplyWriter() { Abandon(); }

  /// Queues a message; never blocks. Use queued_bytes() and OnWritable, or WriteBlocking, where
  /// many or large messages follow one another.
  void Write(const Reply& reply) { call_->Write(Codec<Reply>::Serialize(reply)); }
  absl::Status WriteBlocking(const Reply& reply) {
    return call_->WriteBlocking(Codec<Reply>::Serialize(reply));
  }
  std::size_t queued_bytes() const { return call_->queued_bytes(); }
  void OnWritable(absl::AnyInvocable<void()> callback) { call_->OnWritable(std::move(callback)); }

  /// Ends the call; the handle is empty afterwards.
  void Finish(absl::Status status) { Release()->Finish(std::move(status)); }
  /// Writes `reply` and ends the call with OK.
  void FinishWith(const Reply& reply) { Release()->FinishWith(Codec<Reply>::Serialize(reply)); }

  bool cancelled() const { return call_->cancelled(); }
  ServerCall& call() { return *call_; }
  const ServerCall& call() const { return *call_; }
  bool finished() const { return call_ == nullptr; }

 private:
  std::shared_ptr<ServerCall> Release() { return std::exchange(call_, nullptr); }
  void Abandon() {
    if (call_) Release()->Finish(absl::InternalError("the handler dropped the call unanswered"));
  }

  std::shared_ptr<ServerCall> call_;
};

/// A unary call: its request, and the handle that answers it once, now or later, from any thread.
template <class Request, class Reply>
class UnaryCall {
 public:
  UnaryCall(std::shared_ptr<ServerCall> call, Request request)
      : writer_(std::move(call)), request_(std::move(request)) {}
  UnaryCall(UnaryCall&&) = default;
  UnaryCall& operator=(UnaryCall&&) = default;

  const Request& request() const { return request_; }
  Request& request() { return request_; }
  void Finish(const Reply& reply) { writer_.FinishWith(reply); }
  void Finish(absl::Status status) { writer_.Finish(NotOk(std::move(status))); }
  void Finish(const absl::StatusOr<Reply>& result) {
    result.ok() ? Finish(*result) : Finish(result.status());
  }

  bool cancelled() const { return writer_.cancelled(); }
  ServerCall& call() { return writer_.call(); }
  const ServerCall& call() const { return writer_.call(); }

 private:
  static absl::Status NotOk(absl::Status status) {
    return status.ok() ? absl::InternalError("a unary call was finished with OK and no reply")
                       : status;
  }

  ReplyWriter<Reply> writer_;
  Request request_;
};

/// Receives the requests of a client-streaming or bidi call; see CallHandler for the threads.
template <class Request>
class RequestHandler {
 public:
  virtual ~RequestHandler() = default;
  virtual void OnMessage(Request request) = 0;
  virtual void OnHalfClose() = 0;
  virtual void OnCancel() {}
};

namespace internal {

absl::Status UnparsableRequest(const ServerCall& call);

template <class Request>
class ParsingHandler final : public CallHandler {
 public:
  ParsingHandler(std::shared_ptr<ServerCall> call, std::unique_ptr<RequestHandler<Request>> handler)
      : call_(std::move(call)), handler_(std::move(handler)) {}

  void OnMessage(std::string message) override {
    Request request;
    if (broken_) return;
    if (Codec<Request>::Parse(std::move(message), &request)) {
      handler_->OnMessage(std::move(request));
      return;
    }
    broken_ = true;
    call_->Finish(UnparsableRequest(*call_));
    handler_->OnCancel();
  }
  void OnHalfClose() override {
    if (!broken_) handler_->OnHalfClose();
  }
  void OnCancel() override {
    if (!broken_) handler_->OnCancel();
  }

 private:
  std::shared_ptr<ServerCall> call_;
  std::unique_ptr<RequestHandler<Request>> handler_;
  bool broken_ = false;
};

}  // namespace internal

/// A method with one request and one reply, from a function void(UnaryCall<Request, Reply>).
template <class Request, class Reply, class Function>
Method UnaryMethod(Function function) {
  Method method;
  method.one = [function](std::shared_ptr<ServerCall> call, std::string bytes) {
    Request request;
    if (!Codec<Request>::Parse(std::move(bytes), &request)) {
      call->Finish(internal::UnparsableRequest(*call));
      return;
    }
    function(UnaryCall<Request, Reply>(std::move(call), std::move(request)));
  };
  return method;
}

/// One request, many replies: void(Request, ReplyWriter<Reply>).
template <class Request, class Reply, class Function>
Method ServerStreamingMethod(Function function) {
  Method method;
  method.one = [function](std::shared_ptr<ServerCall> call, std::string bytes) {
    Request request;
    if (!Codec<Request>::Parse(std::move(bytes), &request)) {
      call->Finish(internal::UnparsableRequest(*call));
      return;
    }
    function(std::move(request), ReplyWriter<Reply>(std::move(call)));
  };
  return method;
}

/// Many requests, one reply or many:
/// std::unique_ptr<RequestHandler<Request>>(ReplyWriter<Reply>).
template <class Request, class Reply, class Function>
Method ClientStreamingMethod(Function function) {
  Method method;
  method.many = [function](std::shared_ptr<ServerCall> call) -> std::unique_ptr<CallHandler> {
    auto handler = function(ReplyWriter<Reply>(call));
    if (handler == nullptr) return nullptr;
    return std::make_unique<internal::ParsingHandler<Request>>(call, std::move(handler));
  };
  return method;
}

}  // namespace trireme::rpc
