#pragma once

#include <memory>
#include <string>

struct x509_st;

namespace trireme::rpc {

/// A certificate that the handshake has found valid: for whom it is.
class PeerCertificate {
 public:
  explicit PeerCertificate(x509_st* owned) : certificate_(owned) {}

  /// Of the subject; empty: it has none.
  std::string CommonName() const;
  /// Whether a subject alternative name is this one: a DNS name (with wildcards as HTTPS has them),
  /// an IP address or a URI. The common name does not count.
  bool Bears(const std::string& name) const;

 private:
  struct Free {
    void operator()(x509_st* certificate) const;
  };
  std::unique_ptr<x509_st, Free> certificate_;
};

}  // namespace trireme::rpc
