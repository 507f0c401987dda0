#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "rpc/metadata.h"
#include "rpc/payload.h"

namespace trireme::rpc {

/// What the server sent besides messages.
struct ReplyMetadata {
  Metadata initial;
  Metadata trailing;
};

struct CallOptions {
  /// Deadline of the call from its start; DEADLINE_EXCEEDED after it.
  absl::Duration timeout = absl::InfiniteDuration();
  Metadata metadata;
  /// While the server cannot be reached: wait for it until the deadline, rather than fail at once.
  bool wait_for_ready = false;
  /// A longer reply ends the call with RESOURCE_EXHAUSTED; 0: the channel's limit.
  std::size_t receive_message_bytes_max = 0;
};

/// Receives the events of one call on the channel's io thread, in order. Must not block.
/// Destroyed on the io thread after OnDone.
class ReplyHandler {
 public:
  virtual ~ReplyHandler() = default;
  virtual void OnInitialMetadata(Metadata) {}
  virtual void OnMessage(std::string message) = 0;
  /// Once, last, whatever happens. OutcomeOf(status) tells whether the server may have executed it.
  virtual void OnDone(absl::Status status, Metadata trailing) = 0;
};

/// One call on the client, untyped. Every method may be called from any thread at any time; after
/// the call is over they do nothing. Effects of one thread's calls keep their order.
class ClientCall : public std::enable_shared_from_this<ClientCall> {
 public:
  virtual ~ClientCall() = default;

  /// Queues one message; see kSendQueueBytesMax.
  virtual void Write(Payload message) = 0;
  /// Waits until less than kSendQueueBytesLow is queued, then queues. CANCELLED when the call is
  /// over. Never call it on an io thread.
  virtual absl::Status WriteBlocking(Payload message) = 0;
  virtual std::size_t queued_bytes() const = 0;
  /// `callback` runs once on the io thread as soon as less than kSendQueueBytesLow is queued.
  virtual void OnWritable(absl::AnyInvocable<void()> callback) = 0;
  /// No further message follows.
  virtual void HalfClose() = 0;
  /// Ends the call with CANCELLED unless it is over already.
  virtual void Cancel() = 0;
  /// While paused no further message is delivered and the server's window is not refilled.
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;
};

}  // namespace trireme::rpc
