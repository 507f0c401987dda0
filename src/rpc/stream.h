#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "rpc/block_pool.h"
#include "rpc/frame.h"
#include "rpc/header_memo.h"
#include "rpc/loop.h"
#include "rpc/metadata.h"
#include "rpc/out_queue.h"
#include "rpc/payload.h"

namespace trireme::rpc {

class Http2Session;
class Stream;

/// Those of one session.
using Streams = std::list<std::shared_ptr<Stream>, BlockAllocator<std::shared_ptr<Stream>>>;

/// The half of a call that client and server share: the queue of outgoing messages, the cutting of
/// incoming bytes into messages, back-pressure both ways. On the loop thread unless said otherwise.
class Stream {
 public:
  Stream(std::shared_ptr<Loop> loop, std::size_t receive_message_bytes_max,
         std::size_t send_queue_bytes_max);
  virtual ~Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // What the session reports.

  /// One header or trailer.
  virtual void OnHeader(std::string_view name, std::string_view value) = 0;
  /// Instead of headers: what headers_meaning() of a block of the same ones was. It is there until
  /// OnHeaders has returned.
  virtual void OnKnownHeaders(const HeaderMemo::Meaning& meaning) = 0;
  /// What the block said that OnHeaders was called for just now; null when nobody need know.
  virtual HeaderMemo::Meaning headers_meaning() const = 0;
  /// A block of headers or trailers is complete.
  virtual void OnHeaders(bool end_stream) = 0;
  virtual void OnHeadersSent(bool end_stream) = 0;
  void OnData(std::string_view bytes);
  void OnEndStream();
  /// The stream is gone: by the HTTP/2 `error_code`, or with the connection, whose status is not
  /// OK.
  void OnClosed(std::uint32_t error_code, const absl::Status& connection);

  // What the session sends.

  /// Bytes of queued messages, prefixes included, that may be emitted now.
  std::size_t pending_bytes() const { return pending_bytes_; }
  /// Moves `count` pending bytes to `out`.
  void Emit(std::size_t count, OutQueue& out);
  /// How a stream's output goes on behind the bytes that it has for now.
  enum class End {
    kNotYet,
    kHere,           // Nothing follows.
    kPlainTrailers,  // Trailers that say no more than OK follow; the session writes them.
    kTrailers,       // Trailers follow; they were submitted.
  };
  /// Called when nothing or the last `pending_bytes` are about to be sent.
  virtual End EndOfOutput() = 0;

  void Attach(Http2Session* session, std::int32_t id) {
    session_ = session;
    id_ = id;
    deferred = false;
  }
  std::int32_t id() const { return id_; }
  std::size_t header_bytes = 0;   // Of the block being received.
  bool deferred = false;          // The data source waits for ResumeData.
  bool counted_answered = false;  // Server: counted as such by the session.
  Streams::iterator place;        // While the session has it.
  /// Set before OnClosed: when it came, or when the output that ended the stream began.
  Loop::Clock::time_point closed_at;

 protected:
  virtual void DeliverMessage(std::string message) = 0;
  virtual void DeliverEnd() = 0;
  virtual void OnReceiveError(absl::Status status) = 0;
  /// Bytes came and were taken apart: held_bytes() may have changed.
  virtual void OnReceived() {}
  virtual void OnSendQueueFull(absl::Status status) = 0;
  virtual void HandleClosed(std::uint32_t error_code, const absl::Status& connection) = 0;

  /// Thread-safe: what is queued is counted from the moment of the call.
  void CountQueued(const Payload& message) { queued_bytes_ += message.size() + kFramePrefixBytes; }
  void Push(Payload message);
  void Discard(const Payload& message) { CountSent(message.size() + kFramePrefixBytes); }
  void DropQueue();
  /// Thread-safe. Waits for room; false when the stream is over.
  bool AwaitRoom();
  void SetOnWritable(absl::AnyInvocable<void()> callback);
  void Pause() { paused_ = true; }
  /// What still comes is dropped, as is what is held.
  void StopReceiving();
  /// Received bytes that the handler has not been given.
  std::size_t held_bytes() const { return decoder_.held_bytes() + paused_bytes_; }
  void Resume();
  /// No more waiting or writing: wakes AwaitRoom.
  void SetOver();
  /// Runs `work` on the loop thread, at once when on it; otherwise `self`, which is this, lives
  /// until then.
  template <class Derived, class Work>
  void InLoop(Derived& self, Work work) {
    if (loop_->InThread()) {
      work();
    } else {
      loop_->Post([self = self.Self(), work = std::move(work)]() mutable { work(); });
    }
  }
  void ResumeOutput();

  const std::shared_ptr<Loop> loop_;
  Http2Session* session_ = nullptr;  // Null before the stream is submitted and after OnClosed.
  std::int32_t id_ = -1;
  const std::size_t send_queue_bytes_max_;
  std::atomic<std::size_t> queued_bytes_{0};
  std::atomic<bool> over_{false};
  bool remote_ended_ = false;
  bool end_delivered_ = false;
  FrameDecoder decoder_;

 private:
  bool Holding() const { return paused_ || !held_.empty(); }
  void Receive(std::string message);
  void EmitFront(std::size_t& count, OutQueue& out);
  void CountSent(std::size_t count);

  absl::InlinedVector<Payload, 1> queue_;
  std::size_t queue_head_ = 0;
  std::size_t front_offset_ = 0;  // Of prefix and message at queue_head_.
  std::size_t pending_bytes_ = 0;
  absl::AnyInvocable<void()> on_writable_;

  bool paused_ = false;
  bool receive_failed_ = false;
  std::size_t paused_bytes_ = 0;  // In held_.
  std::size_t owed_bytes_ = 0;    // Received, not yet given back to the peer's window.
  std::list<std::string> held_;  // Complete messages while paused; an empty list allocates nothing.

  std::atomic<int> waiters_{0};
  std::mutex mutex_;
  std::condition_variable room_;
};

}  // namespace trireme::rpc
