#include <utility>

#include <trireme/raft.h>
#include "base/status_macros.h"
#include "io/metrics_page.h"
#include "io/posix_disk.h"
#include "raft/log/log.h"
#include "raft/log/memory_log.h"
#include "raft/transport/ask.h"
#include "raft/transport/tcp_transport.h"
#include "rpc/server.h"

/// The seams' own implementations, and all of them together.
namespace trireme::raft {

absl::StatusOr<OpenedLog> OpenDurableLog(const DurableLogOptions& options) {
  static io::PosixDisk disk;
  LogOptions log;
  log.directory = options.directory;
  log.cluster_id = options.cluster_id;
  log.node = options.node;
  log.segment_bytes = options.segment_bytes;
  TRIREME_ASSIGN_OR_RETURN(Log::Opened opened, Log::Open(log, &disk));
  return OpenedLog{std::move(opened.log), std::move(opened.groups)};
}

std::unique_ptr<LogStore> MakeMemoryLog() {
  return std::make_unique<MemoryLog>();
}

namespace {

std::optional<TcpTransportTls> TlsOf(const std::optional<TlsIdentity>& identity) {
  if (!identity) return std::nullopt;
  TcpTransportTls tls;
  tls.certificate_chain_pem = identity->certificate_chain_pem;
  tls.private_key_pem = identity->private_key_pem;
  tls.ca_pem = identity->ca_pem;
  tls.allowed_cn = identity->allowed_cn;
  tls.allowed_hostname = identity->allowed_hostname;
  return tls;
}

std::unique_ptr<TcpTransport> MakeTcp(const TcpOptions& options) {
  TcpTransportOptions tcp;
  tcp.cluster_id = options.cluster_id;
  tcp.node = options.node;
  tcp.listen = options.listen;
  tcp.listen_also = options.listen_also;
  tcp.tls = TlsOf(options.tls);
  tcp.answer = options.answer;
  return std::make_unique<TcpTransport>(std::move(tcp));
}

}  // namespace

absl::StatusOr<std::string> AskNode(const std::string& address,
                                    const std::optional<TlsIdentity>& tls,
                                    std::string_view question, std::chrono::milliseconds timeout) {
  return tcp::Ask(address, TlsOf(tls), question, timeout);
}

absl::StatusOr<std::unique_ptr<Transport>> MakeTcpTransport(const TcpOptions& options) {
  return MakeTcp(options);
}

namespace {

class NodeImpl final : public Node {
 public:
  ~NodeImpl() override { Stop(); }

  absl::Status Begin(const NodeOptions& options, StateMachine* machine) {
    HostOptions host = options.host;
    host.node = options.node;
    TRIREME_RETURN_IF_ERROR(OpenStore(options, &host));
    transport_ = MakeTcp({.cluster_id = options.cluster_id,
                          .node = options.node,
                          .listen = options.listen,
                          .listen_also = options.listen_also,
                          .tls = options.tls,
                          .answer = options.answer});
    host.transport = transport_.get();
    host.advertised_address = options.advertised_address;
    TRIREME_ASSIGN_OR_RETURN(host_, Host::Start(std::move(host)));
    if (options.advertised_address.empty()) {
      TRIREME_RETURN_IF_ERROR(host_->SetPeer(options.node, transport_->address()));
    }
    GroupOptions group = options.group;
    group.members = options.members;
    TRIREME_ASSIGN_OR_RETURN(replica_, host_->AddGroup(group, machine));
    return options.http.empty() ? absl::OkStatus() : ServePages(options.http);
  }

  Replica& replica() override { return *replica_; }
  Host& host() override { return *host_; }
  std::string address() const override { return transport_->address(); }
  std::string http_address() const override { return http_address_; }

  void Stop() override {
    if (http_ != nullptr) http_->Stop();
    if (host_ != nullptr) host_->Stop();
  }

 private:
  absl::Status OpenStore(const NodeOptions& options, HostOptions* host) {
    if (options.directory.empty()) {
      store_ = MakeMemoryLog();
    } else {
      TRIREME_ASSIGN_OR_RETURN(OpenedLog opened, OpenDurableLog({.directory = options.directory,
                                                                 .cluster_id = options.cluster_id,
                                                                 .node = options.node}));
      store_ = std::move(opened.store);
      host->recovered = std::move(opened.groups);
    }
    host->store = store_.get();
    return absl::OkStatus();
  }

  absl::Status ServePages(const std::string& listen) {
    TRIREME_ASSIGN_OR_RETURN(const rpc::Address address, rpc::ParseAddress(listen));
    http_ = std::make_unique<rpc::Server>();
    http_->HandleGet("/metrics", [this](const rpc::HttpRequest&, auto to) {
      io::MetricsPage page;
      page.Append(host_->Metrics());
      page.Process();
      to->Send(200, io::MetricsPage::kContentType, page.Take());
    });
    http_->HandleGet("/healthz", [this](const rpc::HttpRequest&, auto to) {
      const absl::Status failure = replica_->Status().failure;
      failure.ok() ? to->Send(200, "text/plain", "ok\n")
                   : to->Send(503, "text/plain", failure.ToString() + "\n");
    });
    TRIREME_ASSIGN_OR_RETURN(const rpc::Address bound, http_->Listen(address));
    http_address_ = bound.ToString();
    return http_->Start();
  }

  // Each needs those above it.
  std::unique_ptr<LogStore> store_;
  std::unique_ptr<TcpTransport> transport_;
  std::unique_ptr<Host> host_;
  std::unique_ptr<rpc::Server> http_;
  Replica* replica_ = nullptr;
  std::string http_address_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Node>> Node::Start(const NodeOptions& options,
                                                  StateMachine* machine) {
  auto node = std::make_unique<NodeImpl>();
  TRIREME_RETURN_IF_ERROR(node->Begin(options, machine));
  return node;
}

}  // namespace trireme::raft
