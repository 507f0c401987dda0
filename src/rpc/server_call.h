#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "rpc/metadata.h"
#include "rpc/payload.h"

namespace trireme::rpc {

class Loop;

/// One call on the server, untyped. Every method may be called from any thread unless it says
/// otherwise, also after the call is over or the server stopped (then it does nothing). Effects of
/// one thread's calls keep their order. Finish must be called exactly once; later calls are
/// ignored.
class ServerCall : public std::enable_shared_from_this<ServerCall> {
 public:
  virtual ~ServerCall() = default;

  /// The request's path, "/package.Service/Method".
  virtual std::string_view method() const = 0;
  /// "unix:" or "host:port" of the client.
  virtual std::string_view peer() const = 0;
  virtual const Metadata& request_metadata() const = 0;
  /// The io thread of the call. Many calls are answered at the price of one wake-up by a task
  /// posted to it.
  virtual Loop& loop() const = 0;
  /// When the client stops waiting; InfiniteFuture when it set no deadline. The call is cancelled
  /// and answered with DEADLINE_EXCEEDED at that time without the handler's doing.
  virtual absl::Time deadline() const = 0;

  /// True once the client cancelled, its deadline passed or its connection was lost: nobody waits.
  virtual bool cancelled() const = 0;
  /// `callback` runs once on the io thread when the call becomes cancelled (at once if it is).
  /// It is dropped unrun when the call ends otherwise. One callback per call; a second replaces it.
  virtual void OnCancel(absl::AnyInvocable<void()> callback) = 0;

  /// Sent with the first message or the status. Ignored after the first message.
  virtual void AddInitialMetadata(std::string key, std::string value) = 0;
  /// Sends the initial metadata now, before any message.
  virtual void SendInitialMetadata() = 0;
  /// Sent with the status. Ignored after Finish.
  virtual void AddTrailingMetadata(std::string key, std::string value) = 0;

  /// Queues one message. Never blocks; see kSendQueueBytesMax and OnWritable.
  virtual void Write(Payload message) = 0;
  /// Waits until less than kSendQueueBytesLow is queued, then queues. CANCELLED when the call is
  /// over. Never call it on an io thread: it would wait for itself.
  virtual absl::Status WriteBlocking(Payload message) = 0;
  /// Bytes queued and not yet handed to the socket.
  virtual std::size_t queued_bytes() const = 0;
  /// `callback` runs once on the io thread as soon as less than kSendQueueBytesLow is queued.
  virtual void OnWritable(absl::AnyInvocable<void()> callback) = 0;

  /// While paused no further message is delivered and the client's window is not refilled.
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;

  /// Ends the call after the queued messages. Payloads of `status` are not sent.
  virtual void Finish(absl::Status status) = 0;
  /// Write(message) and Finish(OK) in one.
  virtual void FinishWith(Payload message) = 0;
};

/// Receives the requests of a client-streaming or bidi call, on the io thread, in order.
/// Must not block. Destroyed on the io thread when the call is over.
class CallHandler {
 public:
  virtual ~CallHandler() = default;
  virtual void OnMessage(std::string message) = 0;
  /// The client has sent its last message.
  virtual void OnHalfClose() = 0;
  /// Nobody waits any more (see ServerCall::cancelled). Nothing follows.
  virtual void OnCancel() {}
};

}  // namespace trireme::rpc
