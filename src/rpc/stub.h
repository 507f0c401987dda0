#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rpc/channel.h"
#include "rpc/codec.h"

/// The typed side of a client: what generated stubs are made of. Blocking calls must not be made on
/// the channel's io thread, where they would wait for themselves.
namespace trireme::rpc {

/// A call's event queue for a thread that waits for it. Thread-safe; one reader at a time.
class BlockingCall {
 public:
  BlockingCall(const std::shared_ptr<Channel>& channel, std::string_view method,
               CallOptions options);
  /// Cancels the call when it is not over yet.
  ~BlockingCall();
  BlockingCall(BlockingCall&&) = default;
  BlockingCall& operator=(BlockingCall&&) = delete;

  /// Waits for the next message; false when there is none any more: ask Finish why.
  bool Read(std::string* message);
  /// Waits for the end of the call; messages not read are dropped.
  absl::Status Finish();
  /// Of a finished call.
  const ReplyMetadata& reply_metadata() const;
  ClientCall& call() { return *call_; }

 private:
  struct Queue;
  class Handler;
  std::shared_ptr<Queue> queue_;
  std::shared_ptr<ClientCall> call_;
};

/// Waits for the one reply to one request. `metadata`, when not null, receives the reply's.
absl::StatusOr<std::string> UnaryBytes(const std::shared_ptr<Channel>& channel,
                                       std::string_view method, Payload request,
                                       CallOptions options, ReplyMetadata* metadata = nullptr);

namespace internal {

absl::Status UnparsableReply(std::string_view method);

template <class Reply>
absl::StatusOr<Reply> ParseReply(std::string_view method, absl::StatusOr<std::string> bytes) {
  if (!bytes.ok()) return bytes.status();
  Reply reply;
  if (!Codec<Reply>::Parse(*std::move(bytes), &reply)) return UnparsableReply(method);
  return reply;
}

}  // namespace internal

template <class Request, class Reply>
absl::StatusOr<Reply> Unary(const std::shared_ptr<Channel>& channel, std::string_view method,
                            const Request& request, CallOptions options,
                            ReplyMetadata* metadata = nullptr) {
  return internal::ParseReply<Reply>(
      method, UnaryBytes(channel, method, Codec<Request>::Serialize(request), std::move(options),
                         metadata));
}

/// `done` runs once, on the channel's io thread. The returned handle can cancel the call.
template <class Request, class Reply>
std::shared_ptr<ClientCall> UnaryAsync(const std::shared_ptr<Channel>& channel,
                                       std::string_view method, const Request& request,
                                       CallOptions options,
                                       absl::AnyInvocable<void(absl::StatusOr<Reply>)> done) {
  return channel->StartUnary(
      method, Codec<Request>::Serialize(request), std::move(options),
      [method, done = std::move(done)](absl::StatusOr<std::string> bytes, ReplyMetadata) mutable {
        done(internal::ParseReply<Reply>(method, std::move(bytes)));
      });
}

/// The client's end of a streaming call, blocking. One thread may write while another reads.
/// Destroying it before the end cancels the call.
template <class Request, class Reply>
class ClientStream {
 public:
  ClientStream(const std::shared_ptr<Channel>& channel, std::string_view method,
               CallOptions options)
      : method_(method), call_(channel, method, std::move(options)) {}

  /// Waits for room by flow control. Not OK when the call is over: ask Finish why.
  absl::Status Write(const Request& request) {
    return call_.call().WriteBlocking(Codec<Request>::Serialize(request));
  }
  /// Bytes of requests that have not been handed to the socket.
  std::size_t queued_bytes() { return call_.call().queued_bytes(); }
  /// No further request follows.
  void WritesDone() { call_.call().HalfClose(); }

  /// Waits for the next reply; false at the end of the call.
  bool Read(Reply* reply) {
    std::string bytes;
    if (!call_.Read(&bytes)) return false;
    if (Codec<Reply>::Parse(std::move(bytes), reply)) return true;
    broken_ = internal::UnparsableReply(method_);
    call_.call().Cancel();
    return false;
  }
  /// Waits for the status; replies not read are dropped.
  absl::Status Finish() {
    absl::Status status = call_.Finish();
    return broken_.ok() ? status : broken_;
  }
  /// WritesDone, then waits for the one reply of a client-streaming call.
  absl::StatusOr<Reply> FinishWithReply() {
    Reply reply;
    WritesDone();
    const bool got = Read(&reply);
    if (absl::Status status = Finish(); !status.ok()) return status;
    if (!got) return absl::InternalError("the server finished with OK and no reply");
    return reply;
  }

  void Cancel() { call_.call().Cancel(); }
  /// After Finish.
  const ReplyMetadata& reply_metadata() const { return call_.reply_metadata(); }

 private:
  std::string_view method_;
  BlockingCall call_;
  absl::Status broken_;
};

/// Server streaming: the request is sent at once, the replies are read one by one.
template <class Request, class Reply>
ClientStream<Request, Reply> StartServerStream(const std::shared_ptr<Channel>& channel,
                                               std::string_view method, const Request& request,
                                               CallOptions options) {
  ClientStream<Request, Reply> stream(channel, method, std::move(options));
  static_cast<void>(stream.Write(request));  // A failed write shows in Finish.
  stream.WritesDone();
  return stream;
}

/// Receives the replies of an asynchronous streaming call; see ReplyHandler for the threads.
template <class Reply>
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;
  virtual void OnInitialMetadata(Metadata) {}
  virtual void OnMessage(Reply reply) = 0;
  virtual void OnDone(absl::Status status, Metadata trailing) = 0;
};

namespace internal {

template <class Reply>
class ParsingReplyHandler final : public ReplyHandler {
 public:
  ParsingReplyHandler(std::string_view method, std::unique_ptr<StreamHandler<Reply>> handler)
      : method_(method), handler_(std::move(handler)) {}

  void OnInitialMetadata(Metadata metadata) override {
    handler_->OnInitialMetadata(std::move(metadata));
  }
  void OnMessage(std::string bytes) override {
    Reply reply;
    if (!broken_.ok()) return;
    if (Codec<Reply>::Parse(std::move(bytes), &reply)) {
      handler_->OnMessage(std::move(reply));
    } else {
      broken_ = UnparsableReply(method_);
    }
  }
  void OnDone(absl::Status status, Metadata trailing) override {
    handler_->OnDone(broken_.ok() ? std::move(status) : broken_, std::move(trailing));
  }

 private:
  std::string_view method_;
  std::unique_ptr<StreamHandler<Reply>> handler_;
  absl::Status broken_;
};

}  // namespace internal

/// The asynchronous form of every streaming kind: write with AsyncStream, read by `handler`.
template <class Request>
class AsyncStream {
 public:
  explicit AsyncStream(std::shared_ptr<ClientCall> call) : call_(std::move(call)) {}
  void Write(const Request& request) { call_->Write(Codec<Request>::Serialize(request)); }
  void WritesDone() { call_->HalfClose(); }
  void Cancel() { call_->Cancel(); }
  ClientCall& call() { return *call_; }

 private:
  std::shared_ptr<ClientCall> call_;
};

template <class Request, class Reply>
AsyncStream<Request> StartAsyncStream(const std::shared_ptr<Channel>& channel,
                                      std::string_view method, CallOptions options,
                                      std::unique_ptr<StreamHandler<Reply>> handler) {
  return AsyncStream<Request>(channel->Start(
      method, std::move(options),
      std::make_unique<internal::ParsingReplyHandler<Reply>>(method, std::move(handler))));
}

}  // namespace trireme::rpc
