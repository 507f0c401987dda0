#include "rpc/server_stream.h"

#include <utility>

#include "absl/container/inlined_vector.h"
#include "fmt/format.h"
#include "rpc/block_pool.h"
#include "rpc/headers.h"
#include "rpc/http2_session.h"
#include "rpc/wire.h"

namespace trireme::rpc {
namespace {

/// Smaller requests are not worth counting against receive_buffer_bytes_max.
constexpr std::size_t kCountedBytesMin = 4096;

/// Trailers of a call: the encoded texts that the headers point to live here until submitted.
struct Trailers {
  Headers headers;
  std::string message;
  std::vector<std::string> values;
};

constexpr std::string_view kCodes[] = {"0", "1",  "2",  "3",  "4",  "5",  "6",  "7", "8",
                                       "9", "10", "11", "12", "13", "14", "15", "16"};

void AddStatus(const absl::Status& status, Trailers& trailers) {
  const auto code = static_cast<std::size_t>(status.raw_code());
  trailers.headers.push_back(
      LiteralHeader("grpc-status", code < std::size(kCodes) ? kCodes[code] : kCodes[2]));
  if (status.message().empty()) return;
  trailers.message = PercentEncode({status.message().data(), status.message().size()});
  trailers.headers.push_back(HeaderOf("grpc-message", trailers.message));
}

const nghttp2_nv kResponseHeaders[] = {LiteralHeader(":status", "200"),
                                       LiteralHeader("content-type", "application/grpc")};

void AddResponseHeaders(Headers& headers) {
  headers.insert(headers.end(), std::begin(kResponseHeaders), std::end(kResponseHeaders));
}

}  // namespace

ServerStream::ServerStream(std::shared_ptr<Loop> loop, std::shared_ptr<ServerContext> context,
                           std::shared_ptr<const std::string> peer)
    : Stream(std::move(loop), context->options.receive_message_bytes_max,
             context->options.send_queue_bytes_max),
      context_(std::move(context)),
      peer_(std::move(peer)) {
  ++context_->live_streams;
  ++context_->calls_started;
}

ServerStream::~ServerStream() = default;

// ---- Receiving.

void ServerStream::OnHeader(std::string_view name, std::string_view value) {
  if (headers_seen_) return;  // Clients send no trailers in gRPC.
  NewHead().Add(name, value, *context_);
}

RequestHead& ServerStream::NewHead() {
  if (new_head_ == nullptr) {
    auto head = std::allocate_shared<RequestHead>(BlockAllocator<RequestHead>());
    new_head_ = head.get();
    head_ = std::move(head);
  }
  return *new_head_;
}

void ServerStream::OnKnownHeaders(const HeaderMemo::Meaning& meaning) {
  if (!headers_seen_) head_ = std::static_pointer_cast<const RequestHead>(meaning);
}

void ServerStream::OnHeaders(bool) {
  if (std::exchange(headers_seen_, true)) {
    new_head_ = nullptr;
    return;
  }
  if (head_ == nullptr) NewHead();  // There were none.
  CountStarted();
  if (Refuse()) return;
  StartDeadline();
  if (!method_->many) return;
  handler_ = method_->many(Self());
  if (handler_ == nullptr && !finished_) {
    DoFinish(absl::InternalError("the method's handler refused the call without a status"));
  }
}

void ServerStream::CountStarted() {
  if (head_->method() == nullptr) return;
  method_ = &head_->method()->method;
  counters_ = head_->method()->counters.get();
  counters_->started.fetch_add(1, std::memory_order_relaxed);
  if (method_->receive_message_bytes_max != 0) {
    decoder_.set_message_bytes_max(method_->receive_message_bytes_max);
  }
}

/// Answers a request that no method is asked about; true when it did.
bool ServerStream::Refuse() {
  if (!head_->is_grpc() || !head_->is_post()) {
    RefuseMediaType();
    return true;
  }
  if (method_ == nullptr) {
    DoFinish(absl::UnimplementedError(fmt::format("the server has no method '{}'", method())));
    return true;
  }
  const std::string& encoding = head_->grpc_encoding();
  if (!encoding.empty() && encoding != "identity") {
    DoFinish(absl::UnimplementedError(
        fmt::format("grpc-encoding '{}' is not spoken here; send identity", encoding)));
    return true;
  }
  if (head_->bad_timeout()) {
    DoFinish(absl::InternalError("grpc-timeout is malformed; send 1 to 8 digits and a unit"));
    return true;
  }
  return false;
}

void ServerStream::RefuseMediaType() {
  finished_ = response_started_ = ended_ = true;
  session_->Answered(*this);
  const nghttp2_nv header = LiteralHeader(":status", head_->is_post() ? "415" : "405");
  session_->SubmitResponse(*this, &header, 1, false);
}

void ServerStream::StartDeadline() {
  began_ = session_->last_input();
  if (!head_->timeout()) return;
  const auto wait =
      std::min<std::chrono::nanoseconds>(*head_->timeout(), std::chrono::hours(24 * 365));
  loop_->Arm(deadline_timer_, began_ + wait);
}

absl::Time ServerStream::deadline() const {
  if (!head_->timeout()) return absl::InfiniteFuture();
  const auto passed = Loop::Clock::now() - began_;
  return absl::Now() + absl::FromChrono(*head_->timeout()) - absl::FromChrono(passed);
}

void ServerStream::DeliverMessage(std::string message) {
  if (finished_) return;
  context_->message_bytes_received.fetch_add(message.size(), std::memory_order_relaxed);
  if (handler_) return handler_->OnMessage(std::move(message));
  if (std::exchange(has_request_, true)) {
    DoFinish(absl::InternalError(
        fmt::format("'{}' takes one request and the client sent another", method())));
    return;
  }
  request_ = std::move(message);
}

void ServerStream::DeliverEnd() {
  if (finished_) return;
  if (handler_) return handler_->OnHalfClose();
  if (!has_request_) {
    DoFinish(absl::InternalError(
        fmt::format("'{}' takes one request and the client sent none", method())));
    return;
  }
  CountHeld(0);
  method_->one(Self(), std::move(request_));
}

void ServerStream::OnReceiveError(absl::Status status) {
  if (finished_) return;
  DoFinish(std::move(status));
  if (handler_) handler_->OnCancel();
}

void ServerStream::OnReceived() {
  const std::size_t held = held_bytes() + request_.size();
  if (held < kCountedBytesMin && counted_bytes_ == 0) return;
  CountHeld(held);
  const std::size_t limit = context_->options.receive_buffer_bytes_max;
  if (context_->received_bytes_held.load() <= limit || finished_) return;
  StopReceiving();
  request_ = std::string();
  CountHeld(0);
  OnReceiveError(absl::ResourceExhaustedError(
      fmt::format("the server holds {} bytes of unfinished requests; retry later or raise its "
                  "receive_buffer_bytes_max",
                  limit)));
}

void ServerStream::CountHeld(std::size_t bytes) {
  context_->received_bytes_held += bytes - counted_bytes_;
  counted_bytes_ = bytes;
}

void ServerStream::OnSendQueueFull(absl::Status status) {
  if (finished_) return;
  // The client is not reading: a status behind the queue would not reach it.
  finished_ = true;
  status_ = std::move(status);
  if (session_ != nullptr) session_->ResetStream(id_, NGHTTP2_ENHANCE_YOUR_CALM);
  BecomeCancelled();
}

void ServerStream::OnDeadline() {
  if (finished_) return;
  if (pending_bytes() > 0) {
    finished_ = true;
    status_ = absl::DeadlineExceededError("");
    session_->ResetStream(id_, NGHTTP2_CANCEL);
  } else {
    DoFinish(absl::DeadlineExceededError("the call's deadline passed on the server"));
  }
  BecomeCancelled();
}

void ServerStream::BecomeCancelled() {
  if (cancelled_.exchange(true)) return;
  if (on_cancel_) std::exchange(on_cancel_, nullptr)();
  if (handler_) handler_->OnCancel();
}

void ServerStream::HandleClosed(std::uint32_t, const absl::Status& connection) {
  loop_->Disarm(deadline_timer_);
  if (!ended_ || !connection.ok()) BecomeCancelled();
  CountHandled();
  finished_ = true;
  on_cancel_ = nullptr;
  handler_ = nullptr;
  SetOver();
  CountHeld(0);
  --context_->live_streams;
}

/// Once, when the stream is over.
void ServerStream::CountHandled() {
  if (counters_ == nullptr) return;
  const auto code = static_cast<std::size_t>(
      finished_ ? status_.raw_code() : static_cast<int>(absl::StatusCode::kCancelled));
  counters_->handled[std::min(code, kStatusCodes - 1)].fetch_add(1, std::memory_order_relaxed);
  if (method_ != nullptr && method_->one) counters_->latencies.Add(closed_at - began_);
  counters_ = nullptr;
}

// ---- Sending.

void ServerStream::StartResponse() {
  if (std::exchange(response_started_, true)) return;
  if (initial_metadata_.empty()) {
    session_->SubmitResponse(*this, kResponseHeaders, std::size(kResponseHeaders), true);
    return;
  }
  Headers headers;
  std::vector<std::string> encoded;
  AddResponseHeaders(headers);
  AddMetadata(initial_metadata_, headers, encoded);
  session_->SubmitResponse(*this, headers.data(), headers.size(), true);
}

void ServerStream::DoWrite(Payload message) {
  if (finished_ || session_ == nullptr) return Discard(message);
  context_->message_bytes_sent.fetch_add(message.size(), std::memory_order_relaxed);
  StartResponse();
  Push(std::move(message));
}

void ServerStream::DoFinish(absl::Status status) {
  if (finished_) return;
  finished_ = true;
  status_ = std::move(status);
  loop_->Disarm(deadline_timer_);
  if (session_ == nullptr) return;
  session_->Answered(*this);
  if (response_started_) return ResumeOutput();
  response_started_ = ended_ = true;
  Trailers trailers;
  std::vector<std::string> encoded;
  AddResponseHeaders(trailers.headers);
  AddMetadata(initial_metadata_, trailers.headers, encoded);
  if (!head_->grpc_encoding().empty()) {
    trailers.headers.push_back(LiteralHeader("grpc-accept-encoding", "identity"));
  }
  AddStatus(status_, trailers);
  AddMetadata(trailing_metadata_, trailers.headers, trailers.values);
  session_->SubmitResponse(*this, trailers.headers.data(), trailers.headers.size(), false);
}

Stream::End ServerStream::EndOfOutput() {
  if (!finished_) return End::kNotYet;
  if (trailers_submitted_) return End::kTrailers;
  ended_ = true;
  const bool plain = status_.ok() && trailing_metadata_.empty();
  if (plain && session_->may_send_plain_trailers()) return End::kPlainTrailers;
  trailers_submitted_ = true;
  Trailers trailers;
  AddStatus(status_, trailers);
  AddMetadata(trailing_metadata_, trailers.headers, trailers.values);
  session_->SubmitTrailers(*this, trailers.headers.data(), trailers.headers.size());
  return End::kTrailers;
}

void ServerStream::OnHeadersSent(bool end_stream) {
  // The answer is out and the client still sends: tell it not to (RFC 9113 section 8.1).
  if (end_stream && !remote_ended_) session_->ResetStream(id_, NGHTTP2_NO_ERROR);
}

// ---- From any thread.

void ServerStream::OnCancel(absl::AnyInvocable<void()> callback) {
  InLoop(*this, [this, callback = std::move(callback)]() mutable {
    if (cancelled_.load()) return callback();
    if (session_ != nullptr) on_cancel_ = std::move(callback);
  });
}

void ServerStream::AddInitialMetadata(std::string key, std::string value) {
  InLoop(*this, [this, key = std::move(key), value = std::move(value)]() mutable {
    initial_metadata_.emplace_back(std::move(key), std::move(value));
  });
}

void ServerStream::SendInitialMetadata() {
  InLoop(*this, [this] {
    if (!finished_ && session_ != nullptr) StartResponse();
  });
}

void ServerStream::AddTrailingMetadata(std::string key, std::string value) {
  InLoop(*this, [this, key = std::move(key), value = std::move(value)]() mutable {
    trailing_metadata_.emplace_back(std::move(key), std::move(value));
  });
}

void ServerStream::Write(Payload message) {
  CountQueued(message);
  InLoop(*this, [this, message = std::move(message)]() mutable { DoWrite(std::move(message)); });
}

absl::Status ServerStream::WriteBlocking(Payload message) {
  if (!AwaitRoom()) return absl::CancelledError("the call is over");
  Write(std::move(message));
  return absl::OkStatus();
}

void ServerStream::OnWritable(absl::AnyInvocable<void()> callback) {
  InLoop(*this,
         [this, callback = std::move(callback)]() mutable { SetOnWritable(std::move(callback)); });
}

void ServerStream::PauseReading() {
  InLoop(*this, [this] { Pause(); });
}

void ServerStream::ResumeReading() {
  InLoop(*this, [this] { Resume(); });
}

void ServerStream::Finish(absl::Status status) {
  InLoop(*this, [this, status = std::move(status)]() mutable { DoFinish(std::move(status)); });
}

void ServerStream::FinishWith(Payload message) {
  CountQueued(message);
  InLoop(*this, [this, message = std::move(message)]() mutable {
    DoWrite(std::move(message));
    DoFinish(absl::OkStatus());
  });
}

}  // namespace trireme::rpc
