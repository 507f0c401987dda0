#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <trireme/raft/transport.h>
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/random.h"
#include "raft/transport/connection.h"
#include "raft/transport/listener.h"
#include "raft/transport/options.h"
#include "raft/transport/peer.h"
#include "raft/transport/rate_limited_log.h"
#include "raft/transport/stats.h"

namespace trireme::raft::tcp {

/// What TcpTransport is made of: the table of peers and the rules by which a connection becomes
/// one. Its loop's thread does all of it but Send.
class Hub final : public Connection::Owner, public std::enable_shared_from_this<Hub> {
 public:
  explicit Hub(TcpTransportOptions options);

  absl::Status Start(Transport::Receiver* receiver);
  void Stop();
  absl::Status SetPeer(NodeId id, const std::string& address);
  void RemovePeer(NodeId id);
  bool Send(NodeId to, std::span<const SharedBytes> pieces);
  std::string address() const;
  TransportStats stats() const { return counters_.Read(); }

  // Of the peers, on the loop's thread.
  const TcpTransportOptions& options() const { return options_; }
  const std::shared_ptr<rpc::Loop>& loop() const { return loop_; }
  Random& random() { return random_; }
  bool running() const { return running_; }
  std::shared_ptr<Connection> NewDialed(rpc::OwnedDescriptor descriptor,
                                        const rpc::Address& address);
  void NoteDialFailed(Peer& peer, const absl::Status& why);
  /// An established connection has ended.
  void NoteLost(const Peer& peer, const absl::Status& why);
  void TellUnreachable(const Peer& peer);
  /// Says hello on an accepted connection whose hello is fine, and makes it the peer's.
  void Answer(const std::shared_ptr<Peer>& peer, const std::shared_ptr<Connection>& connection,
              const Hello& hello);
  /// Nobody could reach a peer without an address once its connection is gone.
  void ForgetStranger(const Peer& peer);

 private:
  void OnOpen(const std::shared_ptr<Connection>& connection) override;
  void OnHello(const std::shared_ptr<Connection>& connection, absl::StatusOr<Hello> hello) override;
  void OnFrame(Connection& connection, SharedBytes frame) override;
  void OnClosed(const std::shared_ptr<Connection>& connection, const absl::Status& why) override;

  absl::Status CheckOptions() const;
  absl::Status MakeTls();
  absl::StatusOr<std::string> Listen(const std::string& where);
  void RunOnLoop(absl::FunctionRef<void()> work);
  void Begin();
  void End();
  void OnAccepted(rpc::OwnedDescriptor descriptor, std::string remote);
  /// Why a connection whose other side says `hello` must not be; OK when it may.
  absl::Status JudgeCertificate(Connection& connection, NodeId from) const;
  absl::Status Judge(const Hello& hello, const Peer* dialed) const;
  absl::StatusOr<std::shared_ptr<Peer>> PeerOf(NodeId id);
  void OnAcceptedHello(const std::shared_ptr<Connection>& connection, const Hello& hello);
  void Refuse(const std::shared_ptr<Connection>& connection, const absl::Status& why);
  void Say(Connection& connection, NodeId to);
  std::shared_ptr<Peer> Find(NodeId id) const;

  const TcpTransportOptions options_;
  const std::shared_ptr<rpc::Loop> loop_;
  const bool owns_loop_;
  const std::uint64_t incarnation_;
  Random random_;
  rpc::TlsContext server_tls_;
  rpc::TlsContext client_tls_;
  Transport::Receiver* receiver_ = nullptr;  // Set before the loop hears of it.
  TransportCounters counters_;
  RateLimitedLog log_;
  std::uint64_t hellos_ = 0;  // Said so far.
  bool running_ = false;
  std::vector<std::shared_ptr<Listener>> listeners_;
  std::set<std::shared_ptr<Connection>> unproven_;  // Accepted, without a hello.
  std::atomic<bool> started_{false};
  std::atomic<bool> stopped_{false};

  mutable std::mutex mutex_;
  std::map<NodeId, std::shared_ptr<Peer>> peers_;  // Guarded by mutex_.
  std::set<NodeId> removed_;                       // Guarded by mutex_.
  std::string address_;                            // Guarded by mutex_.
};

}  // namespace trireme::raft::tcp
