#pragma once

#include <map>
#include <memory>
#include <string>

#include <trireme/raft/transport_conformance.h>
#include "raft/transport/tcp_transport.h"
#include "rpc/tls_material.h"

namespace trireme::raft {

inline constexpr std::uint64_t kTestCluster = 7;

/// Both sides of a mutual TLS with one certificate for all nodes.
inline TcpTransportTls TestTls(const test::TlsMaterial& material) {
  return {.certificate_chain_pem = material.certificate_pem,
          .private_key_pem = material.key_pem,
          .ca_pem = material.certificate_pem};
}

inline TcpTransportOptions TestOptions(std::uint64_t node) {
  TcpTransportOptions options;
  options.cluster_id = kTestCluster;
  options.node = NodeId{node};
  options.listen = "127.0.0.1:0";
  // Tests wait for what happens after these.
  options.reconnect_delay_min = std::chrono::milliseconds(1);
  options.reconnect_delay_max = std::chrono::milliseconds(20);
  return options;
}

/// TcpTransport for the conformance suite.
class TcpTransports final : public ConformingTransports {
 public:
  enum class Kind { kTcp, kUnix, kTls };
  explicit TcpTransports(Kind kind) : kind_(kind) {}

  std::unique_ptr<Transport> Make(NodeId node) override {
    TcpTransportOptions options = TestOptions(node.value);
    options.queue_bytes_max = queue_bytes_max();
    if (kind_ == Kind::kTls) options.tls = TestTls(material_);
    if (kind_ == Kind::kUnix) options.listen = UnixPath(node);
    auto transport = std::make_unique<TcpTransport>(options);
    made_[node] = transport.get();
    return transport;
  }
  std::string AddressOf(NodeId node) override { return made_.at(node)->address(); }
  std::uint64_t queue_bytes_max() const override { return 4u << 20; }

 private:
  static std::string UnixPath(NodeId node) {
    return "unix:" + testing::TempDir() + "trireme-peer-" + std::to_string(::getpid()) + "-" +
           std::to_string(node.value);
  }

  const Kind kind_;
  const test::TlsMaterial material_ =
      kind_ == Kind::kTls ? test::MakeTlsMaterial() : test::TlsMaterial();
  std::map<NodeId, TcpTransport*> made_;
};

}  // namespace trireme::raft
