#include "rpc/client_stream.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "rpc/block_pool.h"
#include "rpc/headers.h"
#include "rpc/http2_session.h"
#include "rpc/status.h"
#include "rpc/wire.h"

namespace trireme::rpc {

ClientStream::ClientStream(std::shared_ptr<Loop> loop, std::string_view method, CallOptions options,
                           std::unique_ptr<ReplyHandler> handler,
                           std::size_t receive_message_bytes_max, std::size_t send_queue_bytes_max)
    : Stream(std::move(loop), receive_message_bytes_max, send_queue_bytes_max),
      method_(method),
      options_(std::move(options)),
      handler_(std::move(handler)) {}

ClientStream::~ClientStream() {
  // Its loop was stopped under it, or nobody resumed its reading: OnDone is owed all the same.
  if (handler_ == nullptr || done_) return;
  handler_->OnDone(WithOutcome(absl::CancelledError("the call was abandoned"),
                               sent_ ? Outcome::kUnknown : Outcome::kNotExecuted),
                   {});
}

// ---- Life.

void ClientStream::SetOnlyRequest(Payload request) {
  CountQueued(request);
  Push(std::move(request));
  half_closed_ = true;
}

void ClientStream::Begin() {
  if (options_.timeout == absl::InfiniteDuration()) return;
  if (options_.timeout <= absl::ZeroDuration()) return OnDeadline();
  deadline_ = Loop::Clock::now() + ToLoopDuration(options_.timeout);
  loop_->Arm(deadline_timer_, deadline_);
}

void ClientStream::Submit(Http2Session& session, std::string_view scheme,
                          std::string_view authority) {
  Headers headers = {
      LiteralHeader(":method", "POST"),       HeaderOf(":scheme", scheme),
      LiteralHeader(":path", method_),        HeaderOf(":authority", authority),
      LiteralHeader("te", "trailers"),        LiteralHeader("content-type", "application/grpc"),
      LiteralHeader("user-agent", "trireme"),
  };
  std::string timeout;
  if (deadline_ != Loop::Clock::time_point::max()) {
    timeout = FormatTimeout(deadline_ - Loop::Clock::now());
    headers.push_back(HeaderOf("grpc-timeout", timeout));
  }
  std::vector<std::string> encoded;
  AddMetadata(options_.metadata, headers, encoded);
  const bool with_data = pending_bytes() > 0 || !half_closed_;
  if (session.SubmitRequest(Self(), headers.data(), headers.size(), with_data) < 0) {
    Fail(absl::UnavailableError("the connection takes no further call"));
  }
}

void ClientStream::OnHeadersSent(bool end_stream) {
  sent_ = true;
  if (end_stream) end_sent_ = true;
}

Stream::End ClientStream::EndOfOutput() {
  if (!half_closed_ || done_) return End::kNotYet;
  end_sent_ = true;
  return End::kHere;
}

void ClientStream::OnDeadline() {
  Fail(absl::DeadlineExceededError(
      fmt::format("no answer from {} within {}", method_, absl::FormatDuration(options_.timeout))));
}

void ClientStream::Fail(absl::Status status) {
  if (session_ != nullptr) session_->ResetStream(id_, NGHTTP2_CANCEL);
  Complete(std::move(status), false);
}

void ClientStream::HandleClosed(std::uint32_t error_code, const absl::Status& connection) {
  // Complete messages that a paused reader has not taken come before the status.
  if (done_ || (remote_ended_ && !end_delivered_)) return;
  if (remote_ended_) return Complete(ReceivedStatus(), true);
  if (!sent_ && retry_) {
    std::exchange(retry_, nullptr)(Self());
    return;
  }
  if (!connection.ok()) return Complete(connection, false);
  if (error_code == NGHTTP2_REFUSED_STREAM) sent_ = false;  // RFC 9113 section 8.7: not processed.
  Complete(
      absl::Status(StatusCodeOfReset(error_code), fmt::format("the server reset the call: {}",
                                                              nghttp2_http2_strerror(error_code))),
      false);
}

void ClientStream::Complete(absl::Status status, bool answered) {
  if (std::exchange(done_, true)) return;
  loop_->Disarm(deadline_timer_);
  retry_ = nullptr;
  SetOver();
  if (!answered) {
    status = WithOutcome(std::move(status), sent_ ? Outcome::kUnknown : Outcome::kNotExecuted);
  }
  WithHandler([&] { handler_->OnDone(std::move(status), std::move(received_)); });
}

/// The handler may end the call from within; it is destroyed only when it has returned.
template <class Call>
void ClientStream::WithHandler(Call call) {
  if (handler_ == nullptr) return;
  const std::shared_ptr<ClientStream> self = Self();
  ++in_handler_;
  call();
  if (--in_handler_ == 0 && done_) handler_ = nullptr;
}

// ---- Receiving.

void ClientStream::OnHeader(std::string_view name, std::string_view value) {
  if (new_head_ == nullptr) {
    new_head_ = std::allocate_shared<ReplyHead>(BlockAllocator<ReplyHead>());
  }
  new_head_->Add(name, value);
}

void ClientStream::OnKnownHeaders(const HeaderMemo::Meaning& meaning) {
  known_head_ = static_cast<const ReplyHead*>(meaning.get());
}

void ClientStream::Understand(const ReplyHead& head) {
  if (head.http_status != 0) {
    http_status_ = head.http_status;
    is_grpc_ = head.is_grpc;
  }
  if (head.grpc_status) {
    grpc_status_ = head.grpc_status;
    grpc_message_ = head.grpc_message;
  }
  received_ = head.metadata;
}

void ClientStream::OnHeaders(bool end_stream) {
  understood_ = std::move(new_head_);
  if (known_head_ != nullptr) {
    Understand(*std::exchange(known_head_, nullptr));
  } else if (understood_ != nullptr) {
    Understand(*understood_);
  }
  if (end_stream || std::exchange(initial_seen_, true)) return;
  if (done_ || http_status_ / 100 == 1) {
    initial_seen_ = http_status_ / 100 != 1;
    return;
  }
  if (http_status_ != 200 || !is_grpc_) return;
  Metadata initial = std::exchange(received_, {});
  WithHandler([&] { handler_->OnInitialMetadata(std::move(initial)); });
}

void ClientStream::DeliverMessage(std::string message) {
  if (done_ || http_status_ != 200 || !is_grpc_) return;
  WithHandler([&] { handler_->OnMessage(std::move(message)); });
}

void ClientStream::DeliverEnd() {
  // The server has answered; what we have not sent it no longer wants.
  if (session_ != nullptr && !end_sent_) session_->ResetStream(id_, NGHTTP2_NO_ERROR);
  Complete(ReceivedStatus(), true);
}

absl::Status ClientStream::ReceivedStatus() const {
  if (grpc_status_) return absl::Status(*grpc_status_, grpc_message_);
  if (http_status_ != 200) {
    return absl::Status(StatusCodeOfHttp(http_status_),
                        fmt::format("the server answered with HTTP status {}", http_status_));
  }
  return absl::InternalError("the server ended the call without grpc-status");
}

void ClientStream::OnReceiveError(absl::Status status) {
  if (!done_ && http_status_ == 200 && is_grpc_) Fail(std::move(status));
}

void ClientStream::OnSendQueueFull(absl::Status status) {
  Fail(std::move(status));
}

// ---- From any thread.

void ClientStream::Write(Payload message) {
  CountQueued(message);
  InLoop(*this, [this, message = std::move(message)]() mutable {
    if (done_ || half_closed_) return Discard(message);
    Push(std::move(message));
  });
}

absl::Status ClientStream::WriteBlocking(Payload message) {
  if (!AwaitRoom()) return absl::CancelledError("the call is over; Finish says why");
  Write(std::move(message));
  return absl::OkStatus();
}

void ClientStream::OnWritable(absl::AnyInvocable<void()> callback) {
  InLoop(*this,
         [this, callback = std::move(callback)]() mutable { SetOnWritable(std::move(callback)); });
}

void ClientStream::HalfClose() {
  InLoop(*this, [this] {
    if (std::exchange(half_closed_, true)) return;
    ResumeOutput();
  });
}

void ClientStream::Cancel() {
  InLoop(*this, [this] {
    if (!done_) Fail(absl::CancelledError("the call was cancelled by this side"));
  });
}

void ClientStream::PauseReading() {
  InLoop(*this, [this] { Pause(); });
}

void ClientStream::ResumeReading() {
  InLoop(*this, [this] { Resume(); });
}

}  // namespace trireme::rpc
