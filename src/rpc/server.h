#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rpc/address.h"
#include "rpc/http.h"
#include "rpc/latency.h"
#include "rpc/limits.h"
#include "rpc/loop.h"
#include "rpc/server_call.h"
#include "rpc/tls.h"

namespace trireme::rpc {

struct ServerOptions {
  int io_threads = 1;  // Each connection lives on one of them.
  // Instead of io_threads: the loops to use, which end with the server. For who keeps something of
  // its own on each of them (ServerCall::loop).
  std::vector<std::shared_ptr<Loop>> loops;
  std::size_t receive_message_bytes_max = kReceiveMessageBytesMax;
  std::size_t receive_buffer_bytes_max = kReceiveBufferBytesMax;
  std::size_t send_queue_bytes_max = kSendQueueBytesMax;
  std::uint32_t concurrent_streams_max = kConcurrentStreamsMax;
  std::size_t metadata_bytes_max = kMetadataBytesMax;
  std::size_t connections_max = kConnectionsMax;
  absl::Duration handshake_timeout = kHandshakeTimeout;
  absl::Duration header_timeout = kHeaderTimeout;
  absl::Duration idle_timeout = kIdleTimeout;
  absl::Duration keepalive_interval = kKeepaliveInterval;
  absl::Duration keepalive_timeout = kKeepaliveTimeout;
  std::optional<TlsServerOptions> tls;
};

/// How the server treats one method. Both run on the io thread and must not block; they may keep
/// the call and finish it later from any thread.
struct Method {
  /// Unary and server streaming: called once, with the one request.
  using OneRequest = std::function<void(std::shared_ptr<ServerCall>, std::string request)>;
  /// Client streaming and bidi: called at the headers; the handler gets the messages.
  using ManyRequests = std::function<std::unique_ptr<CallHandler>(std::shared_ptr<ServerCall>)>;

  OneRequest one;
  ManyRequests many;                          // Exactly one of the two is set.
  std::size_t receive_message_bytes_max = 0;  // 0: the server's.
};

class Server;

/// A set of methods; generated service classes implement it.
class Service {
 public:
  virtual ~Service() = default;
  /// Registers every method of the service. The service must outlive the server.
  virtual void RegisterWith(Server& server) = 0;
};

/// Counters of a running server; each is exact, together they are not one snapshot.
struct ServerStats {
  std::uint64_t live_connections = 0;
  std::uint64_t live_streams = 0;
  std::uint64_t connections_accepted = 0;
  std::uint64_t connections_refused = 0;  // Over connections_max.
  std::uint64_t calls_started = 0;
  std::uint64_t message_bytes_received = 0;  // Of all calls' messages, without framing.
  std::uint64_t message_bytes_sent = 0;
};

/// Statuses of gRPC: 0 (OK) to 16 (UNAUTHENTICATED).
inline constexpr std::size_t kStatusCodes = 17;

/// The same of one method.
struct MethodStats {
  std::string path;
  bool many_requests = false;  // Method::many.
  std::uint64_t started = 0;
  std::array<std::uint64_t, kStatusCodes> handled{};  // By status. CANCELLED: nobody waited.
  LatencyCounts latencies{};  // Of calls that have ended, unless there are many requests.
};

/// A gRPC server, with plain HTTP/1.1 pages on the same ports. Register everything, then Listen,
/// then Start. Register* and Handle* are not thread-safe and must precede Start; the rest is.
class Server {
 public:
  explicit Server(ServerOptions options = {});
  ~Server();  // Stop().
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void Register(Service& service) { service.RegisterWith(*this); }
  /// `path` is "/package.Service/Method". A second registration of a path replaces the first.
  void RegisterMethod(std::string path, Method method);
  /// Serves GET `path`; "/prefix/*" serves everything under /prefix/. The longest match wins.
  void HandleGet(std::string path, HttpHandler handler);
  /// The same for POST. The handler decides who may: any page of any site can send one.
  void HandlePost(std::string path, HttpHandler handler);

  /// Binds and listens; returns the bound address (a port of 0 is replaced). A stale unix socket
  /// file that nobody listens on is replaced. `plain`: without TLS although the server has it.
  /// FAILED_PRECONDITION: in use, or bad TLS material.
  absl::StatusOr<Address> Listen(const Address& address, bool plain = false);
  /// Starts accepting. Connections made since Listen are served from here on.
  absl::Status Start();

  /// Stops accepting, sends GOAWAY, waits until every running call is over or `grace` has passed,
  /// then Stop(). Not on an io thread.
  void Drain(absl::Duration grace);
  /// Closes everything and joins the io threads; running calls become cancelled. Idempotent. Not on
  /// an io thread.
  void Stop();

  ServerStats stats() const;
  /// Of every registered method, by path.
  std::vector<MethodStats> method_stats() const;

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace trireme::rpc
