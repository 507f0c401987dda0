#include "raft/transport/tcp_transport.h"

#include <utility>

#include "raft/transport/hub.h"

namespace trireme::raft {

TcpTransport::TcpTransport(TcpTransportOptions options)
    : hub_(std::make_shared<tcp::Hub>(std::move(options))) {}

TcpTransport::~TcpTransport() {
  Stop();
}

absl::Status TcpTransport::Start(Receiver* receiver) {
  return hub_->Start(receiver);
}

void TcpTransport::Stop() {
  hub_->Stop();
}

absl::Status TcpTransport::SetPeer(NodeId peer, const std::string& address) {
  return hub_->SetPeer(peer, address);
}

void TcpTransport::RemovePeer(NodeId peer) {
  hub_->RemovePeer(peer);
}

bool TcpTransport::Send(NodeId to, std::span<const SharedBytes> pieces) {
  return hub_->Send(to, pieces);
}

std::string TcpTransport::address() const {
  return hub_->address();
}

TransportStats TcpTransport::stats() const {
  return hub_->stats();
}

}  // namespace trireme::raft
