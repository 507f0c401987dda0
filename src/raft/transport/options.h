#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <trireme/raft/types.h>
#include "rpc/loop.h"
#include "rpc/tls.h"

namespace trireme::raft {

/// Both ends of a connection present a certificate and check the other's: with `ca_pem` alone
/// missing, the system's authorities are asked, which is seldom what a cluster wants.
struct TcpTransportTls {
  std::string certificate_chain_pem;
  std::string private_key_pem;
  /// Who signs the certificates of this cluster's nodes.
  std::string ca_pem;
  /// Dialed nodes need not be dialing ones: without it a node that dials shows no certificate.
  bool mutual = true;
  /// The name that a dialed node's certificate must bear; empty: the host of its address.
  std::string server_name;
  /// What a peer's certificate must say, whoever has dialed: exactly this common name, or this
  /// subject alternative name (DNS, IP or URI). "{node}" in it stands for the id of the node that
  /// the peer says it is, which binds certificates to nodes. One of them at most; empty: any
  /// certificate that `ca_pem` has signed will do.
  std::string allowed_cn;
  std::string allowed_hostname;
};

/// Every number the transport decides by; docs/raft-transport.md has them as a table.
struct TcpTransportOptions {
  /// Peers of another cluster are refused, so that an address that has moved does no harm.
  std::uint64_t cluster_id = 0;
  NodeId node;
  /// `host:port` (port 0: any) or `unix:/path`. Empty: it only dials.
  std::string listen;
  std::vector<std::string> listen_also;  ///< Besides `listen`.
  std::optional<TcpTransportTls> tls;
  /// The thread of all sockets and of the receiver's calls. Null: one of its own. One that is given
  /// ends after Stop.
  std::shared_ptr<rpc::Loop> loop;
  /// Takes connections of nodes of the cluster that SetPeer has not named: a server that joins does
  /// not know the leader that calls it. Not of removed ones.
  bool accept_unknown = true;
  /// Answers whoever asks instead of saying hello (ask.h), on the loop's thread: a server that
  /// wants to join asks who is there. Empty: nobody is answered.
  std::function<std::string(std::string_view question)> answer;

  /// A frame, both ways. A longer one is refused by Send and ends a connection.
  std::size_t frame_bytes_max = 64u << 20;
  /// What waits for one peer; a frame more is refused, unless nothing waits.
  std::size_t queue_bytes_max = 64u << 20;
  /// Connections accepted whose hello has not come; further ones are closed at once.
  std::size_t unproven_connections_max = 64;
  /// Peers known at once.
  std::size_t peers_max = 1024;
  /// One attempt: resolving, connecting, and then again as much for TLS and hello.
  std::chrono::milliseconds handshake_timeout{5000};
  /// After a failed attempt, doubled after each further one, less up to half of it by chance.
  std::chrono::milliseconds reconnect_delay_min{20};
  std::chrono::milliseconds reconnect_delay_max{1000};
  /// A connection without output says that it is there.
  std::chrono::milliseconds keepalive_interval{1000};
  /// One without input so long is dead.
  std::chrono::milliseconds silence_max{5000};
};

}  // namespace trireme::raft
