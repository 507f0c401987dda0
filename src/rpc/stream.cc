#include "rpc/stream.h"

#include <algorithm>

#include "fmt/format.h"
#include "rpc/http2_session.h"
#include "rpc/limits.h"

namespace trireme::rpc {
namespace {

/// Sent messages are erased from the queue's front in lots of this many.
constexpr std::size_t kCompactAt = 64;

/// Less is not worth giving back to the peer's window: most calls end before.
constexpr std::size_t kOwedBytesMin = kStreamWindowBytes / 16;

}  // namespace

Stream::Stream(std::shared_ptr<Loop> loop, std::size_t receive_message_bytes_max,
               std::size_t send_queue_bytes_max)
    : loop_(std::move(loop)),
      send_queue_bytes_max_(send_queue_bytes_max),
      decoder_(receive_message_bytes_max) {}

void Stream::OnData(std::string_view bytes) {
  if (!receive_failed_) {
    absl::Status status = decoder_.Feed(bytes, [this](std::string m) { Receive(std::move(m)); });
    if (!status.ok()) {
      receive_failed_ = true;
      OnReceiveError(std::move(status));
    }
    OnReceived();
  }
  owed_bytes_ += bytes.size();
  if (session_ == nullptr || Holding() || owed_bytes_ < kOwedBytesMin) return;
  session_->ConsumeStream(id_, std::exchange(owed_bytes_, 0));
}

void Stream::Receive(std::string message) {
  if (Holding()) {
    paused_bytes_ += message.size();
    held_.push_back(std::move(message));
  } else {
    DeliverMessage(std::move(message));
  }
}

void Stream::OnEndStream() {
  remote_ended_ = true;
  if (decoder_.unfinished() && !receive_failed_) {
    receive_failed_ = true;
    OnReceiveError(absl::InternalError("the stream ended in the middle of a message"));
  }
  if (!Holding() && !std::exchange(end_delivered_, true)) DeliverEnd();
}

void Stream::StopReceiving() {
  receive_failed_ = true;
  decoder_ = FrameDecoder(0);
  held_.clear();
  paused_bytes_ = 0;
}

void Stream::Resume() {
  paused_ = false;
  while (!paused_ && !held_.empty()) {
    std::string message = std::move(held_.front());
    held_.pop_front();
    paused_bytes_ -= message.size();
    DeliverMessage(std::move(message));
  }
  if (Holding()) return;
  if (session_ != nullptr) session_->ConsumeStream(id_, std::exchange(owed_bytes_, 0));
  if (remote_ended_ && !std::exchange(end_delivered_, true)) DeliverEnd();
}

void Stream::OnClosed(std::uint32_t error_code, const absl::Status& connection) {
  session_ = nullptr;
  HandleClosed(error_code, connection);
}

void Stream::SetOver() {
  if (over_.exchange(true)) return;
  on_writable_ = nullptr;
  DropQueue();
  if (waiters_.load() == 0) return;
  const std::lock_guard lock(mutex_);
  room_.notify_all();
}

void Stream::Push(Payload message) {
  const std::size_t size = message.size() + kFramePrefixBytes;
  if (over_.load()) {
    CountSent(size);
    return;
  }
  if (pending_bytes_ > 0 && pending_bytes_ + size > send_queue_bytes_max_) {
    CountSent(size);
    OnSendQueueFull(absl::ResourceExhaustedError(
        fmt::format("the call's send queue would exceed {} bytes; its reader is slow: heed "
                    "back-pressure (WriteBlocking, OnWritable) or raise send_queue_bytes_max",
                    send_queue_bytes_max_)));
    return;
  }
  pending_bytes_ += size;
  queue_.push_back(std::move(message));
  ResumeOutput();
}

void Stream::ResumeOutput() {
  if (session_ != nullptr) session_->ResumeData(*this);
}

void Stream::DropQueue() {
  if (pending_bytes_ == 0) return;
  queue_.clear();
  queue_head_ = front_offset_ = 0;
  CountSent(std::exchange(pending_bytes_, 0));
}

void Stream::Emit(std::size_t count, OutQueue& out) {
  pending_bytes_ -= count;
  const std::size_t total = count;
  while (count > 0) EmitFront(count, out);
  if (queue_head_ == queue_.size()) {
    queue_.clear();
    queue_head_ = 0;
  } else if (queue_head_ >= kCompactAt) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(queue_head_));
    queue_head_ = 0;
  }
  CountSent(total);
}

void Stream::EmitFront(std::size_t& count, OutQueue& out) {
  const Payload& message = queue_[queue_head_];
  const std::string_view body = message.view();
  if (front_offset_ < kFramePrefixBytes) {
    char prefix[kFramePrefixBytes];
    StoreFramePrefix(prefix, static_cast<std::uint32_t>(body.size()));
    const std::size_t taken = std::min(count, kFramePrefixBytes - front_offset_);
    out.Append({prefix + front_offset_, taken});
    front_offset_ += taken;
    count -= taken;
  }
  if (front_offset_ >= kFramePrefixBytes) {
    const std::size_t offset = front_offset_ - kFramePrefixBytes;
    const std::string_view part = body.substr(offset, count);
    if (message.owner() && part.size() >= Payload::kSharedBytesMin) {
      out.AppendShared(message.owner(), part);
    } else {
      out.Append(part);
    }
    front_offset_ += part.size();
    count -= part.size();
  }
  if (front_offset_ < kFramePrefixBytes + body.size()) return;
  queue_[queue_head_++] = Payload();
  front_offset_ = 0;
}

void Stream::CountSent(std::size_t count) {
  const std::size_t before = queued_bytes_.fetch_sub(count);
  if (before - count >= kSendQueueBytesLow) return;
  if (waiters_.load() > 0) {
    const std::lock_guard lock(mutex_);
    room_.notify_all();
  }
  if (on_writable_) loop_->Post(std::exchange(on_writable_, nullptr));
}

bool Stream::AwaitRoom() {
  if (over_.load()) return false;
  if (queued_bytes_.load() < kSendQueueBytesLow) return true;
  std::unique_lock lock(mutex_);
  ++waiters_;
  room_.wait(lock, [this] { return over_.load() || queued_bytes_.load() < kSendQueueBytesLow; });
  --waiters_;
  return !over_.load();
}

void Stream::SetOnWritable(absl::AnyInvocable<void()> callback) {
  if (over_.load()) return;
  on_writable_ = std::move(callback);
  if (queued_bytes_.load() < kSendQueueBytesLow) {
    loop_->Post(std::exchange(on_writable_, nullptr));
  }
}

}  // namespace trireme::rpc
