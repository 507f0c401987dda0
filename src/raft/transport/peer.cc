#include "raft/transport/peer.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"
#include "raft/transport/hub.h"

namespace trireme::raft::tcp {

bool Peer::Send(std::span<const SharedBytes> pieces, std::size_t body_bytes) {
  const std::lock_guard lock(mutex_);
  if (retired()) return false;
  if (connection_ != nullptr)
    return connection_->Send(pieces, body_bytes) == Connection::Sent::kYes;
  if (!waiting_.frames.empty() && waiting_.bytes + body_bytes > hub_.options().queue_bytes_max) {
    return false;
  }
  // Many empty frames count too.
  waiting_.bytes += body_bytes + kFrameHeaderBytes;
  waiting_.frames.emplace_back(pieces.begin(), pieces.end());
  return true;
}

void Peer::Retire() {
  const std::lock_guard lock(mutex_);
  retired_.store(true, std::memory_order_release);
  waiting_ = {};
}

void Peer::SetAddress(const rpc::Address& address) {
  if (address_ == address) return;
  const bool moved = address_.has_value();
  address_ = address;
  failures_ = 0;
  if (moved) {
    CancelDial();
    if (const auto old = Replace(nullptr)) {
      old->Close();
      hub_.TellUnreachable(*this);
    }
  }
  Dial();
}

void Peer::Dial() {
  const bool connected = connection_ != nullptr;  // This thread alone writes it.
  if (connected || connector_ || dialing_ || !address_ || retired() || !hub_.running()) return;
  connector_ = std::make_shared<rpc::Connector>(
      hub_.loop(), *address_,
      [self = shared_from_this()](absl::StatusOr<rpc::OwnedDescriptor> descriptor) {
        self->OnConnected(std::move(descriptor));
      });
  hub_.loop()->Arm(*this, rpc::Loop::Clock::now() + hub_.options().handshake_timeout);
  connector_->Start();
}

void Peer::OnConnected(absl::StatusOr<rpc::OwnedDescriptor> descriptor) {
  connector_ = nullptr;
  hub_.loop()->Disarm(*this);
  if (!descriptor.ok()) return DialFailed(descriptor.status());
  dialing_ = hub_.NewDialed(*std::move(descriptor), *address_);
  dialing_->set_peer(shared_from_this());
  dialing_->Start();
}

/// An attempt to connect has taken too long, or the pause after a failed one is over.
void Peer::OnTimer() {
  if (!connector_) return Dial();
  CancelDial();
  DialFailed(absl::DeadlineExceededError(fmt::format("cannot connect to {}: no answer within {} ms",
                                                     address_->ToString(),
                                                     hub_.options().handshake_timeout.count())));
}

void Peer::DialFailed(const absl::Status& why) {
  ++failures_;
  hub_.NoteDialFailed(*this, why);
  if (const auto rival = std::exchange(rival_, nullptr)) {
    return hub_.Answer(shared_from_this(), rival, rival_hello_);
  }
  DropWaiting();
  Redial();
}

void Peer::CancelDial() {
  hub_.loop()->Disarm(*this);
  if (connector_) std::exchange(connector_, nullptr)->Cancel();
  if (dialing_) std::exchange(dialing_, nullptr)->Close();
}

void Peer::Redial() {
  if (address_ && !retired() && hub_.running()) {
    hub_.loop()->Arm(*this, rpc::Loop::Clock::now() + NextDelay());
  }
}

std::chrono::milliseconds Peer::NextDelay() {
  constexpr int kDoublingsMax = 20;
  const TcpTransportOptions& options = hub_.options();
  const int doublings = std::clamp(failures_ - 1, 0, kDoublingsMax);
  const auto delay = std::min<std::chrono::milliseconds>(
      options.reconnect_delay_max, options.reconnect_delay_min * (1 << doublings));
  return delay - std::chrono::milliseconds(
                     hub_.random().Below(static_cast<std::uint64_t>(delay.count()) / 2 + 1));
}

std::shared_ptr<Connection> Peer::Replace(std::shared_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  return std::exchange(connection_, std::move(connection));
}

void Peer::DropWaiting() {
  Waiting dropped;
  {
    const std::lock_guard lock(mutex_);
    dropped = std::exchange(waiting_, {});
  }
  if (!dropped.frames.empty()) hub_.TellUnreachable(*this);
}

void Peer::Adopt(const std::shared_ptr<Connection>& connection, const Hello& hello) {
  if (dialing_ == connection) dialing_ = nullptr;
  CancelDial();
  CloseRival();
  failures_ = 0;
  news_ = {};
  hello_ = hello;
  connection->set_peer(shared_from_this());
  connection->Establish();
  std::shared_ptr<Connection> old;
  {
    const std::lock_guard lock(mutex_);
    old = std::exchange(connection_, connection);
    const Waiting waiting = std::exchange(waiting_, {});
    for (const auto& frame : waiting.frames) {
      std::size_t size = 0;
      for (const SharedBytes& piece : frame) size += piece.size();
      // Over the bound, a frame is lost as any on a connection that breaks.
      static_cast<void>(connection->Send(frame, size));
    }
  }
  if (old != nullptr) {
    old->Close();
    hub_.NoteLost(*this, absl::UnavailableError("replaced by a newer connection"));
  }
}

void Peer::OnClosed(const Connection* connection, const absl::Status& why) {
  if (connection == dialing_.get()) {
    dialing_ = nullptr;
    return DialFailed(why);
  }
  if (connection == rival_.get()) rival_ = nullptr;
  if (connection != connection_.get()) return;
  Replace(nullptr);
  hub_.NoteLost(*this, why);
  if (!address_) return hub_.ForgetStranger(*this);
  Redial();
}

void Peer::Close() {
  CancelDial();
  CloseRival();
  if (const auto old = Replace(nullptr)) old->Close();
}

bool Peer::DialOverrides(NodeId self) const {
  return dialing_ != nullptr && dialing_->hello_sent() && self < id_;
}

void Peer::HoldRival(const std::shared_ptr<Connection>& connection, const Hello& hello) {
  CloseRival();
  rival_ = connection;
  rival_hello_ = hello;
  connection->set_peer(shared_from_this());
}

void Peer::CloseRival() {
  if (rival_) std::exchange(rival_, nullptr)->Close();
}

bool Peer::IsStale(const Hello& hello) const {
  return connection_ != nullptr && hello.incarnation == hello_.incarnation &&
         hello.number < hello_.number;
}

}  // namespace trireme::raft::tcp
