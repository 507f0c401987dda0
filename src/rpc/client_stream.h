#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "rpc/client_call.h"
#include "rpc/limits.h"
#include "rpc/reply_head.h"
#include "rpc/stream.h"

namespace trireme::rpc {

/// One call on the client: waiting for a connection first, an HTTP/2 stream then.
class ClientStream final : public Stream, public ClientCall {
 public:
  ClientStream(std::shared_ptr<Loop> loop, std::string_view method, CallOptions options,
               std::unique_ptr<ReplyHandler> handler, std::size_t receive_message_bytes_max,
               std::size_t send_queue_bytes_max);
  ~ClientStream() override;

  std::shared_ptr<ClientStream> Self() {
    return std::static_pointer_cast<ClientStream>(shared_from_this());
  }

  // ClientCall, from any thread.
  void Write(Payload message) override;
  absl::Status WriteBlocking(Payload message) override;
  std::size_t queued_bytes() const override { return queued_bytes_.load(); }
  void OnWritable(absl::AnyInvocable<void()> callback) override;
  void HalfClose() override;
  void Cancel() override;
  void PauseReading() override;
  void ResumeReading() override;

  /// Before the call begins: the one request of a unary call.
  void SetOnlyRequest(Payload request);

  // On the loop thread, called by the channel.

  /// Starts the deadline; the call may be over afterwards.
  void Begin();
  /// Sends it as a request of `session`, whose fixed headers are given.
  void Submit(Http2Session& session, std::string_view scheme, std::string_view authority);
  /// Ends the call; the outcome follows from what was sent.
  void Fail(absl::Status status);
  bool done() const { return done_; }
  bool wait_for_ready() const { return options_.wait_for_ready; }
  /// Called instead of failing when the connection is lost or the server refuses the stream while
  /// nothing has been sent; at most once.
  void SetRetry(absl::AnyInvocable<void(std::shared_ptr<ClientStream>)> retry) {
    retry_ = std::move(retry);
  }

  // Stream.
  void OnHeader(std::string_view name, std::string_view value) override;
  void OnHeaders(bool end_stream) override;
  void OnKnownHeaders(const HeaderMemo::Meaning& meaning) override;
  HeaderMemo::Meaning headers_meaning() const override { return understood_; }
  void OnHeadersSent(bool end_stream) override;
  End EndOfOutput() override;

 private:
  struct Deadline final : Loop::Timer {
    explicit Deadline(ClientStream* s) : stream(s) {}
    void OnTimer() override { stream->OnDeadline(); }
    ClientStream* stream;
  };

  void DeliverMessage(std::string message) override;
  void DeliverEnd() override;
  void OnReceiveError(absl::Status status) override;
  void OnSendQueueFull(absl::Status status) override;
  void HandleClosed(std::uint32_t error_code, const absl::Status& connection) override;

  void OnDeadline();
  void Understand(const ReplyHead& head);
  absl::Status ReceivedStatus() const;
  void Complete(absl::Status status, bool answered);
  template <class Call>
  void WithHandler(Call call);

  const std::string_view method_;
  const CallOptions options_;
  std::unique_ptr<ReplyHandler> handler_;  // Null after OnDone.
  int in_handler_ = 0;
  absl::AnyInvocable<void(std::shared_ptr<ClientStream>)> retry_;
  Deadline deadline_timer_{this};
  Loop::Clock::time_point deadline_ = Loop::Clock::time_point::max();

  bool half_closed_ = false;
  bool sent_ = false;  // The request's headers have been handed to the socket's queue.
  bool end_sent_ = false;
  bool done_ = false;

  std::shared_ptr<ReplyHead> new_head_;          // Of the block being received.
  const ReplyHead* known_head_ = nullptr;        // The same, when it is known.
  std::shared_ptr<const ReplyHead> understood_;  // What new_head_ was of the last block.
  bool initial_seen_ = false;
  bool is_grpc_ = false;
  int http_status_ = 0;
  std::optional<absl::StatusCode> grpc_status_;
  std::string grpc_message_;
  Metadata received_;  // Of the last block; the trailing metadata at the end.
};

}  // namespace trireme::rpc
