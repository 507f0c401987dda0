#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <trireme/raft/bytes.h>
#include <trireme/raft/types.h>
#include "absl/status/status.h"

namespace trireme::raft {

/// Carries frames of bytes between the processes of a cluster: a seam. Ours goes over TCP or TLS,
/// one connection per pair of processes; whoever brings another runs the conformance suite
/// (transport_conformance.h) on it.
///
/// A frame arrives whole and unchanged or not at all. Those from one peer arrive in the order of
/// their sending as long as no connection breaks; then some may be lost, and a few arrive twice in
/// no case. Nobody answers for delivery: Raft sends again.
class Transport {
 public:
  /// Whom the transport tells. Its calls come from the transport's own threads, for one peer never
  /// two at a time; they return soon, and may call Send.
  class Receiver {
   public:
    virtual ~Receiver() = default;
    /// A frame of `from`, whose identity the transport has checked as far as it can (cluster id,
    /// node id, certificate). Slices of the frame share its memory.
    virtual void OnFrame(NodeId from, SharedBytes frame) = 0;
    /// What was sent to `peer` since the last call may not have arrived.
    virtual void OnUnreachable(NodeId peer) = 0;
  };

  virtual ~Transport() = default;

  /// Begins to listen and to call `receiver`, which outlives Stop. Once. The error names the
  /// address.
  [[nodiscard]] virtual absl::Status Start(Receiver* receiver) = 0;
  /// After it returns no call of the receiver is under way and none will come. Idempotent. Not to
  /// be called by the receiver.
  virtual void Stop() = 0;

  /// Where `peer` is reached from now on; connections to where it was end. Thread-safe, as are all
  /// below.
  virtual absl::Status SetPeer(NodeId peer, const std::string& address) = 0;
  /// Forgets the peer: frames to it are refused, frames of it no longer taken.
  virtual void RemovePeer(NodeId peer) = 0;

  /// Sends the concatenation of `pieces` as one frame, without copying them; at once if the
  /// connection has room, otherwise when it has. False: nothing is sent, because there are no
  /// bytes, the peer is not known, the frame is over the limit, or so much waits for this peer
  /// already.
  virtual bool Send(NodeId to, std::span<const SharedBytes> pieces) = 0;
};

}  // namespace trireme::raft
