#include "rpc/socket.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "fmt/format.h"

namespace trireme::rpc {
namespace {

constexpr int kGatherVectorsMax = 64;

absl::Status Lost(std::string_view what, std::string_view why) {
  return absl::UnavailableError(fmt::format("connection lost: {}: {}", what, why));
}

// OpenSSL's own socket BIO writes without MSG_NOSIGNAL, so a vanished peer would kill the process.
int BioWrite(BIO* bio, const char* data, int size) {
  const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  const ssize_t sent = ::send(fd, data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int BioRead(BIO* bio, char* data, int size) {
  const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  const ssize_t got = ::recv(fd, data, static_cast<std::size_t>(size), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(got);
}

long BioControl(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* SocketBio() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "trireme socket");
    BIO_meth_set_write(m, BioWrite);
    BIO_meth_set_read(m, BioRead);
    BIO_meth_set_ctrl(m, BioControl);
    return m;
  }();
  return method;
}

bool IsNumericHost(const std::string& host) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

void ExpectServerName(SSL* ssl, const std::string& name) {
  if (name.empty()) return;
  if (IsNumericHost(name)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
    return;
  }
  SSL_set1_host(ssl, name.c_str());
  SSL_set_tlsext_host_name(ssl, name.c_str());
}

}  // namespace

void Socket::SslFree::operator()(ssl_st* ssl) const {
  SSL_free(ssl);
}

Socket::Socket(int descriptor, const TlsRole& tls) : descriptor_(descriptor) {
  if (!tls.context) return;
  ssl_.reset(SSL_new(tls.context.get()));
  BIO* bio = BIO_new(SocketBio());
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(descriptor)));
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_.get(), bio, bio);
  if (tls.server) {
    SSL_set_accept_state(ssl_.get());
  } else {
    SSL_set_connect_state(ssl_.get());
    ExpectServerName(ssl_.get(), tls.server_name);
  }
}

IoResult Socket::Result(int ssl_return, const char* what) {
  switch (SSL_get_error(ssl_.get(), ssl_return)) {
    case SSL_ERROR_WANT_READ:
      return IoResult::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return IoResult::kWantWrite;
    case SSL_ERROR_ZERO_RETURN:
      error_ = Lost(what, "closed by the peer");
      break;
    default: {
      const unsigned long code = ERR_get_error();
      char reason[256] = "closed by the peer";
      if (code != 0) ERR_error_string_n(code, reason, sizeof reason);
      const long verify = SSL_get_verify_result(ssl_.get());
      error_ = Lost(what, verify == X509_V_OK ? std::string(reason)
                                              : fmt::format("{}: {}", reason,
                                                            X509_verify_cert_error_string(verify)));
    }
  }
  ERR_clear_error();
  return IoResult::kClosed;
}

IoResult Socket::Handshake() {
  if (!ssl_) return IoResult::kProgress;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) return Result(result, "TLS handshake");
  return SSL_is_server(ssl_.get()) != 0 || ChoseProtocol() ? IoResult::kProgress
                                                           : IoResult::kClosed;
}

/// A client offers one protocol: whatever the server chose is that one.
bool Socket::ChoseProtocol() {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_.get(), &name, &size);
  if (size != 0) return true;
  error_ = Lost("TLS handshake", "the server does not speak our protocol, by ALPN");
  return false;
}

std::optional<PeerCertificate> Socket::peer_certificate() const {
  X509* const certificate = ssl_ ? SSL_get1_peer_certificate(ssl_.get()) : nullptr;
  if (certificate == nullptr) return std::nullopt;
  return PeerCertificate(certificate);
}

IoResult Socket::Read(char* buffer, std::size_t size, std::size_t* count) {
  if (ssl_) {
    ERR_clear_error();
    const int got = SSL_read(ssl_.get(), buffer, static_cast<int>(size));
    if (got <= 0) return Result(got, "TLS read");
    *count = static_cast<std::size_t>(got);
    return IoResult::kProgress;
  }
  const ssize_t got = ::recv(descriptor_, buffer, size, 0);
  if (got > 0) {
    *count = static_cast<std::size_t>(got);
    return IoResult::kProgress;
  }
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return IoResult::kWantRead;
  error_ = Lost("read", got == 0 ? "closed by the peer" : std::strerror(errno));
  return IoResult::kClosed;
}

IoResult Socket::Write(OutQueue& queue) {
  return ssl_ ? WriteTls(queue) : WritePlain(queue);
}

IoResult Socket::WritePlain(OutQueue& queue) {
  iovec vectors[kGatherVectorsMax];
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = static_cast<std::size_t>(queue.Gather(vectors, kGatherVectorsMax));
  const ssize_t sent = message.msg_iovlen == 1 ? ::send(descriptor_, vectors[0].iov_base,
                                                        vectors[0].iov_len, MSG_NOSIGNAL)
                                               : ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
  if (sent >= 0) {
    queue.Consume(static_cast<std::size_t>(sent));
    return IoResult::kProgress;
  }
  if (errno == EAGAIN || errno == EINTR) return IoResult::kWantWrite;
  error_ = Lost("write", std::strerror(errno));
  return IoResult::kClosed;
}

IoResult Socket::WriteTls(OutQueue& queue) {
  iovec front;
  if (queue.Gather(&front, 1) == 0) return IoResult::kProgress;
  ERR_clear_error();
  const int sent = SSL_write(ssl_.get(), front.iov_base,
                             static_cast<int>(std::min<std::size_t>(front.iov_len, 1u << 30)));
  if (sent <= 0) return Result(sent, "TLS write");
  queue.Consume(static_cast<std::size_t>(sent));
  return IoResult::kProgress;
}

bool Socket::HasBuffered() const {
  return ssl_ && SSL_pending(ssl_.get()) > 0;
}

}  // namespace trireme::rpc
