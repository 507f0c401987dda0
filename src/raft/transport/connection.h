#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>

#include <trireme/raft/bytes.h>
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "raft/transport/frame_reader.h"
#include "raft/transport/options.h"
#include "raft/transport/outbox.h"
#include "raft/transport/stats.h"
#include "rpc/descriptor.h"
#include "rpc/loop.h"
#include "rpc/socket.h"

namespace trireme::raft::tcp {

class Peer;

/// One socket between two peers, from the TLS handshake over the hellos to its end. Send is
/// thread-safe, the rest belongs to the loop's thread. Always held by shared_ptr.
class Connection final : public rpc::Loop::Watcher,
                         public rpc::Loop::Timer,
                         public std::enable_shared_from_this<Connection> {
 public:
  /// Whom it tells; on the loop's thread. Each may close it.
  class Owner {
   public:
    virtual ~Owner() = default;
    /// TLS is through: who has dialed says hello.
    virtual void OnOpen(const std::shared_ptr<Connection>& connection) = 0;
    /// The first frame of the other side.
    virtual void OnHello(const std::shared_ptr<Connection>& connection,
                         absl::StatusOr<Hello> hello) = 0;
    virtual void OnFrame(Connection& connection, SharedBytes frame) = 0;
    /// It broke. Not after Close.
    virtual void OnClosed(const std::shared_ptr<Connection>& connection,
                          const absl::Status& why) = 0;
  };

  enum class Sent { kYes, kQueueFull, kBroken };

  /// Takes over a connected descriptor. `owner`, `options` and `counters` outlive its end.
  Connection(std::shared_ptr<rpc::Loop> loop, rpc::OwnedDescriptor descriptor,
             const rpc::TlsRole& tls, std::string remote, Owner* owner,
             const TcpTransportOptions& options, TransportCounters& counters);
  ~Connection() override;

  void Start();
  /// Both hellos are fine: frames may come.
  void Establish();
  void Close();

  /// Thread-safe. Writes what the socket takes and keeps the rest.
  Sent Send(std::span<const SharedBytes> pieces, std::size_t body_bytes);

  bool dialed() const { return dialed_; }
  bool closed() const { return closed_; }
  bool established() const { return established_; }
  /// The other side's address, for messages.
  const std::string& remote() const { return remote_; }
  /// Whose it is: from the dialing on, or from the hello on. Null once closed.
  const std::shared_ptr<Peer>& peer() const { return peer_; }
  void set_peer(std::shared_ptr<Peer> peer) { peer_ = std::move(peer); }
  /// That this side's hello has been sent.
  bool hello_sent() const { return hello_sent_; }
  void SendHello(const std::string& hello);
  /// What the other side has shown; nothing without TLS or one.
  std::optional<rpc::PeerCertificate> peer_certificate();

 private:
  void OnReady(std::uint32_t events) override;
  void OnTimer() override;
  bool ContinueHandshake();
  bool Handshake();
  void ReadSome();
  absl::StatusOr<std::size_t> ReadOnce(char* buffer, bool* drained);
  absl::StatusOr<std::size_t> ReadPlain(char* buffer, bool* drained);
  absl::StatusOr<std::size_t> ReadTls(char* buffer, bool* drained);
  absl::Status TakeRead(const char* buffer, std::size_t count);
  bool MayAnswer();
  bool OnBody(SharedBytes body);
  void FlushWaiting();
  void WatchAgain();
  void Fail(const absl::Status& why);

  const std::shared_ptr<rpc::Loop> loop_;
  rpc::OwnedDescriptor descriptor_;
  const bool tls_;
  const bool dialed_;
  const std::string remote_;
  Owner* const owner_;
  const TcpTransportOptions& options_;
  TransportCounters& counters_;
  std::shared_ptr<Peer> peer_;
  FrameReader reader_;
  bool open_ = false;  // TLS is through.
  bool hello_sent_ = false;
  bool established_ = false;
  bool answered_ = false;
  bool closed_ = false;
  bool handshake_awaits_writable_ = false;
  bool read_awaits_writable_ = false;  // TLS.
  bool heard_ = false;                 // Since the last tick.
  std::chrono::milliseconds silence_{0};

  std::mutex mutex_;
  rpc::Socket socket_;                // Guarded by mutex_, for TLS reads too.
  Outbox outbox_;                     // Guarded by mutex_.
  bool unwritable_ = false;           // Guarded by mutex_: closed or broken.
  std::atomic<bool> waiting_{false};  // Written under mutex_: the outbox has bytes left.
  std::atomic<bool> spoke_{false};    // Since the last tick.
};

}  // namespace trireme::raft::tcp
