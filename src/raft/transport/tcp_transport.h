#pragma once

#include <memory>
#include <span>
#include <string>

#include <trireme/raft/transport.h>
#include "absl/status/status.h"
#include "raft/transport/options.h"
#include "raft/transport/stats.h"

namespace trireme::raft {

namespace tcp {
class Hub;
}  // namespace tcp

/// Transport over TCP, unix sockets and TLS: docs/raft-transport.md, docs/formats/raft-frames.md.
/// Sends from the caller's thread when nothing waits for the peer; the receiver is called on the
/// loop's thread.
class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(TcpTransportOptions options);
  ~TcpTransport() override;

  /// INVALID_ARGUMENT names the option; FAILED_PRECONDITION the address that cannot be listened on.
  absl::Status Start(Receiver* receiver) override;
  void Stop() override;
  absl::Status SetPeer(NodeId peer, const std::string& address) override;
  void RemovePeer(NodeId peer) override;
  bool Send(NodeId to, std::span<const SharedBytes> pieces) override;

  /// Where it listens since Start: with the port that the system chose. Empty before.
  std::string address() const;
  /// Thread-safe.
  TransportStats stats() const;

 private:
  const std::shared_ptr<tcp::Hub> hub_;
};

}  // namespace trireme::raft
