#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "rpc/out_queue.h"
#include "rpc/peer_certificate.h"
#include "rpc/tls.h"

struct ssl_st;

namespace trireme::rpc {

/// What one attempt at non-blocking I/O came to.
enum class IoResult { kProgress, kWantRead, kWantWrite, kClosed };

/// Which end of a TLS connection this is, and under which rules; no context means plain bytes.
struct TlsRole {
  TlsContext context;
  bool server = false;
  std::string server_name;  // Client: checked against the certificate when not empty.
};

/// Non-blocking reads and writes on a connected socket, plain or TLS. Does not own the descriptor.
/// Not thread-safe.
class Socket {
 public:
  Socket(int descriptor, const TlsRole& tls);

  /// Drives the TLS handshake; kProgress when it is over (at once on a plain socket).
  IoResult Handshake();
  /// Reads into `buffer`; kProgress sets *count > 0.
  IoResult Read(char* buffer, std::size_t size, std::size_t* count);
  /// Writes from the front of `queue` and consumes what was written.
  IoResult Write(OutQueue& queue);
  /// Why the last operation came to kClosed.
  const absl::Status& error() const { return error_; }
  /// After the handshake: the certificate that the other side has shown; nothing without TLS or
  /// one.
  std::optional<PeerCertificate> peer_certificate() const;
  /// Whether decrypted bytes wait that no readiness event will announce.
  bool HasBuffered() const;

 private:
  struct SslFree {
    void operator()(ssl_st* ssl) const;
  };
  IoResult Result(int ssl_return, const char* what);
  bool ChoseProtocol();
  IoResult WritePlain(OutQueue& queue);
  IoResult WriteTls(OutQueue& queue);

  int descriptor_;
  std::unique_ptr<ssl_st, SslFree> ssl_;
  absl::Status error_;
};

}  // namespace trireme::rpc
