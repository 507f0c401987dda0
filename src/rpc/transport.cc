#include "rpc/transport.h"

#include <utility>
#include <vector>

namespace trireme::rpc {
namespace {

constexpr std::size_t kReadBytes = 256u << 10;
/// Rounds of reading or writing on one connection before others get their turn.
constexpr int kRoundsMax = 8;

}  // namespace

Transport::Transport(std::shared_ptr<Loop> loop, int descriptor, const TlsRole& tls,
                     std::string peer)
    : loop_(std::move(loop)),
      descriptor_(descriptor),
      socket_(descriptor, tls),
      peer_(std::move(peer)) {}

Transport::~Transport() {
  loop_->Unwatch(*this);
}

void Transport::Start(std::shared_ptr<Handler> handler) {
  handler_ = std::move(handler);
  if (ContinueHandshake()) WatchAgain();
}

bool Transport::ContinueHandshake() {
  if (open_) return true;
  switch (socket_.Handshake()) {
    case IoResult::kProgress:
      open_ = true;
      MarkOutput();  // Of what was produced before the connection was open.
      return true;
    case IoResult::kWantRead:
      break;
    case IoResult::kWantWrite:
      awaiting_writable_ = true;
      break;
    case IoResult::kClosed:
      Close(socket_.error());
      return false;
  }
  WatchAgain();
  return false;
}

/// Tells the loop what is waited for. A handshake that waits to write must not hear of input: what
/// stays unread would wake it again and again.
void Transport::WatchAgain() {
  if (closed_) return;
  const bool reads = !close_when_flushed_ && (open_ || !awaiting_writable_);
  const std::uint32_t interest = (reads ? EPOLLIN : 0u) | (awaiting_writable_ ? EPOLLOUT : 0u);
  if (absl::Status status = loop_->Watch(*this, descriptor_.get(), interest); !status.ok()) {
    Close(status);
  }
}

void Transport::OnReady(std::uint32_t events) {
  const std::shared_ptr<Transport> self = shared_from_this();
  const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  if (broken && close_when_flushed_) return Close(close_status_);  // Nobody to flush for.
  if ((events & EPOLLOUT) != 0) awaiting_writable_ = false;
  const bool reads = (events & ~EPOLLOUT) != 0 || std::exchange(read_awaits_writable_, false);
  if (ContinueHandshake() && reads) ReadSome();
  // What was answered at once is sent while it is in the cache.
  if (handler_ != nullptr && handler_->answered()) return Flush();
  MarkOutput();  // Its flush ends with WatchAgain.
}

void Transport::ReadSome() {
  // Shared by all connections of the loop's thread: no bytes stay in it between calls.
  static thread_local std::vector<char> buffer(kReadBytes);
  for (int round = 0; !closed_ && !close_when_flushed_; ++round) {
    // Decrypted bytes must not be left behind, since the socket announces them no more.
    if (round >= kRoundsMax && !socket_.HasBuffered()) return;
    std::size_t count = 0;
    switch (socket_.Read(buffer.data(), buffer.size(), &count)) {
      case IoResult::kProgress:
        break;
      case IoResult::kWantRead:
        return;
      case IoResult::kWantWrite:
        awaiting_writable_ = read_awaits_writable_ = true;
        return;
      case IoResult::kClosed:
        Close(socket_.error());
        return;
    }
    const std::shared_ptr<Handler> handler = handler_;
    if (absl::Status status = handler->OnInput({buffer.data(), count}); !status.ok()) {
      CloseWhenFlushed(status);
      return;
    }
    if (count < buffer.size() && !socket_.HasBuffered()) return;
  }
}

void Transport::Flush() {
  const std::shared_ptr<Transport> self = shared_from_this();
  if (open_ && !awaiting_writable_) FlushRounds();
  WatchAgain();
}

void Transport::FlushRounds() {
  for (int round = 0; round < kRoundsMax && !closed_; ++round) {
    const std::shared_ptr<Handler> handler = handler_;
    handler->ProduceOutput(out_);
    if (closed_) return;
    if (out_.empty()) {
      if (close_when_flushed_) Close(close_status_);
      return;
    }
    if (!WriteAll()) return;
  }
  // More is left; let the others have their turn first.
  loop_->Post([self = shared_from_this()] { self->MarkOutput(); });
}

/// False when the socket takes no more for now or is closed.
bool Transport::WriteAll() {
  while (!out_.empty()) {
    switch (socket_.Write(out_)) {
      case IoResult::kProgress:
        break;
      case IoResult::kWantRead:
        return false;  // TLS: the next read marks output again.
      case IoResult::kWantWrite:
        awaiting_writable_ = true;
        return false;
      case IoResult::kClosed:
        Close(socket_.error());
        return false;
    }
  }
  return true;
}

void Transport::Close(const absl::Status& why) {
  if (closed_) return;
  const std::shared_ptr<Transport> self = shared_from_this();
  closed_ = true;
  loop_->Unmark(*this);
  loop_->Disarm(linger_);
  loop_->Unwatch(*this);
  descriptor_ = OwnedDescriptor();
  if (const std::shared_ptr<Handler> handler = std::exchange(handler_, nullptr)) {
    handler->OnClosed(why);
  }
}

void Transport::CloseWhenFlushed(const absl::Status& why) {
  if (closed_ || close_when_flushed_) return;
  close_when_flushed_ = true;
  close_status_ = why;
  loop_->Arm(linger_, Loop::Clock::now() + kLingerTimeout);
  MarkOutput();
}

}  // namespace trireme::rpc
