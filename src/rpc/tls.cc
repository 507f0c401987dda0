#include "rpc/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <cstring>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::rpc {
namespace {

/// ALPN's list of one protocol or, for a server of HTTP/2, of both HTTPs (RFC 7301, 3.1).
std::string AlpnList(const std::string& protocol, bool server) {
  std::string list(1, static_cast<char>(protocol.size()));
  list += protocol;
  if (server && protocol == "h2") list += "\x08http/1.1";
  return list;
}

struct BioFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct X509Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Bio = std::unique_ptr<BIO, BioFree>;
using Certificate = std::unique_ptr<X509, X509Free>;
using Key = std::unique_ptr<EVP_PKEY, KeyFree>;

absl::Status TlsError(std::string_view what) {
  const unsigned long code = ERR_get_error();
  char reason[256] = "not a PEM block of that kind";
  if (code != 0) ERR_error_string_n(code, reason, sizeof reason);
  ERR_clear_error();
  return absl::InvalidArgumentError(
      fmt::format("TLS: {} does not load: {}; give it as PEM text", what, reason));
}

Bio Memory(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

absl::Status UseChain(SSL_CTX* context, const std::string& pem) {
  const Bio bio = Memory(pem);
  const Certificate leaf(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) {
    return TlsError("certificate_chain_pem");
  }
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return TlsError("certificate_chain_pem");
  }
  ERR_clear_error();  // The end of the text shows as an error.
  return absl::OkStatus();
}

absl::Status UseIdentity(SSL_CTX* context, const std::string& chain, const std::string& key_pem) {
  TRIREME_RETURN_IF_ERROR(UseChain(context, chain));
  const Bio bio = Memory(key_pem);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  if (!key || SSL_CTX_use_PrivateKey(context, key.get()) != 1) return TlsError("private_key_pem");
  return absl::OkStatus();
}

absl::Status UseAuthorities(SSL_CTX* context, const std::string& pem, std::string_view what) {
  const Bio bio = Memory(pem);
  int count = 0;
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), next.get()) != 1)
      return TlsError(what);
    ++count;
  }
  if (count == 0) return TlsError(what);
  ERR_clear_error();
  return absl::OkStatus();
}

/// `alpn` lives as long as the context.
TlsContext NewContext(const SSL_METHOD* method, std::shared_ptr<const std::string> alpn) {
  TlsContext context(SSL_CTX_new(method),
                     [alpn = std::move(alpn)](SSL_CTX* c) { SSL_CTX_free(c); });
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
  return context;
}

int SelectAlpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
               unsigned in_size, void* list) {
  const auto& ours = *static_cast<const std::string*>(list);
  unsigned char* selected = nullptr;
  const int result = SSL_select_next_proto(&selected, out_size,
                                           reinterpret_cast<const unsigned char*>(ours.data()),
                                           static_cast<unsigned>(ours.size()), in, in_size);
  *out = selected;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

absl::StatusOr<TlsContext> MakeServerTls(const TlsServerOptions& options) {
  const auto alpn = std::make_shared<const std::string>(AlpnList(options.protocol, true));
  TlsContext context = NewContext(TLS_server_method(), alpn);
  TRIREME_RETURN_IF_ERROR(
      UseIdentity(context.get(), options.certificate_chain_pem, options.private_key_pem));
  if (!options.client_ca_pem.empty()) {
    TRIREME_RETURN_IF_ERROR(UseAuthorities(context.get(), options.client_ca_pem, "client_ca_pem"));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  SSL_CTX_set_alpn_select_cb(context.get(), SelectAlpn, const_cast<std::string*>(alpn.get()));
  return context;
}

absl::StatusOr<TlsContext> MakeClientTls(const TlsClientOptions& options) {
  TlsContext context = NewContext(TLS_client_method(), nullptr);
  if (options.ca_pem.empty()) {
    SSL_CTX_set_default_verify_paths(context.get());
  } else {
    TRIREME_RETURN_IF_ERROR(UseAuthorities(context.get(), options.ca_pem, "ca_pem"));
  }
  if (!options.certificate_chain_pem.empty()) {
    TRIREME_RETURN_IF_ERROR(
        UseIdentity(context.get(), options.certificate_chain_pem, options.private_key_pem));
  }
  SSL_CTX_set_verify(context.get(), options.skip_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                     nullptr);
  const std::string alpn = AlpnList(options.protocol, false);
  SSL_CTX_set_alpn_protos(context.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                          static_cast<unsigned>(alpn.size()));
  return context;
}

}  // namespace trireme::rpc
