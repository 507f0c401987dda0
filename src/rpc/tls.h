#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct ssl_ctx_st;

namespace trireme::rpc {

/// A server's identity, in PEM. With `client_ca_pem`, clients must present a certificate it signed.
struct TlsServerOptions {
  std::string certificate_chain_pem;
  std::string private_key_pem;
  std::string client_ca_pem;
  /// What it speaks, by ALPN: "h2" admits http/1.1 too.
  std::string protocol = "h2";
};

/// Whom a client trusts, in PEM; empty `ca_pem` means the system's store. `server_name` overrides
/// the name checked against the certificate (default: the address's host).
struct TlsClientOptions {
  std::string ca_pem;
  std::string certificate_chain_pem;
  std::string private_key_pem;
  std::string server_name;
  /// Take whatever certificate the server shows: whoever sits in between can read and change all.
  bool skip_verify = false;
  /// What the server has to choose by ALPN.
  std::string protocol = "h2";
};

/// An OpenSSL context, TLS 1.2 or later. Immutable once made; shared by connections of any
/// thread.
using TlsContext = std::shared_ptr<ssl_ctx_st>;

/// INVALID_ARGUMENT says which PEM does not load and why.
absl::StatusOr<TlsContext> MakeServerTls(const TlsServerOptions& options);
absl::StatusOr<TlsContext> MakeClientTls(const TlsClientOptions& options);

}  // namespace trireme::rpc
