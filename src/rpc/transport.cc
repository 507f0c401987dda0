#include "rpc/transport.h"

#include <utility>
#include <vector>

namespace trireme::rpc {
namespace {

constexpr std::size_t kReadBytes = 256u << 10;
/// Rounds of reading or writing on one connection before others get their turn.
constexpr int kRoundsMax = 8;

using Descriptor = boost::asio::posix::stream_descriptor;

}  // namespace

Transport::Transport(std::shared_ptr<Loop> loop, int descriptor, const TlsRole& tls,
                     std::string peer)
    : loop_(std::move(loop)),
      descriptor_(loop_->context(), descriptor),
      socket_(descriptor, tls),
      peer_(std::move(peer)) {}

Transport::~Transport() = default;

void Transport::Start(std::shared_ptr<Handler> handler) {
  handler_ = std::move(handler);
  loop_->Turn([this] {
    if (ContinueHandshake() && !closed_) AwaitReadable();
  });
}

bool Transport::ContinueHandshake() {
  if (open_) return true;
  switch (socket_.Handshake()) {
    case IoResult::kProgress:
      open_ = true;
      MarkOutput();  // Of what was produced before the connection was open.
      return true;
    case IoResult::kWantRead:
      AwaitReadable();
      return false;
    case IoResult::kWantWrite:
      AwaitWritable();
      return false;
    case IoResult::kClosed:
      Close(socket_.error());
      return false;
  }
  return false;
}

void Transport::AwaitReadable() {
  if (awaiting_readable_ || closed_ || close_when_flushed_) return;
  awaiting_readable_ = true;
  descriptor_.async_wait(Descriptor::wait_read,
                         [self = shared_from_this()](const boost::system::error_code&) {
                           self->awaiting_readable_ = false;
                           self->loop_->Turn([&] { self->OnReadable(); });
                         });
}

void Transport::AwaitWritable() {
  if (awaiting_writable_ || closed_) return;
  awaiting_writable_ = true;
  descriptor_.async_wait(Descriptor::wait_write,
                         [self = shared_from_this()](const boost::system::error_code&) {
                           self->awaiting_writable_ = false;
                           self->loop_->Turn([&] {
                             if (self->closed_) return;
                             if (!self->open_) return self->OnReadable();
                             self->MarkOutput();
                           });
                         });
}

void Transport::OnReadable() {
  if (closed_ || !ContinueHandshake()) return;
  ReadSome();
  AwaitReadable();
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
        AwaitWritable();
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
  if (closed_ || !open_ || awaiting_writable_) return;
  const std::shared_ptr<Transport> self = shared_from_this();
  for (int round = 0; round < kRoundsMax; ++round) {
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
  loop_->Post([self] { self->MarkOutput(); });
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
        AwaitWritable();
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
  boost::system::error_code ignored;
  descriptor_.close(ignored);
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
