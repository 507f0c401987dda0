#include "kv/server/server.h"

#include "base/status_macros.h"
#include "kv/server/cluster_service.h"
#include "kv/server/health_service.h"
#include "kv/server/kv_service.h"
#include "kv/server/lease_service.h"
#include "kv/server/lock_service.h"
#include "kv/server/maintenance_service.h"
#include "kv/server/pages.h"
#include "kv/server/urls.h"
#include "kv/server/watch_service.h"
#include "rpc/address.h"

namespace trireme::kv::inline engine {
namespace {

/// What a stopping server waits for its running calls.
constexpr absl::Duration kDrainGrace = absl::Milliseconds(500);

/// As in etcd, the URL says it and not that there are certificates.
bool IsPlain(std::string_view url) {
  return url.starts_with("http://") || url.starts_with("unix://");
}

/// Every service of a member, in no order.
std::vector<std::unique_ptr<rpc::Service>> MakeServices(Member& member) {
  std::vector<std::unique_ptr<rpc::Service>> services;
  services.push_back(std::make_unique<KvService>(member));
  services.push_back(std::make_unique<LeaseService>(member));
  services.push_back(std::make_unique<WatchService>(member));
  services.push_back(std::make_unique<ClusterService>(member));
  services.push_back(std::make_unique<MaintenanceService>(member));
  services.push_back(std::make_unique<LockService>(member));
  services.push_back(std::make_unique<ElectionService>(member));
  services.push_back(std::make_unique<HealthService>(member));
  services.push_back(std::make_unique<AuthService>());
  return services;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(const ServerOptions& options) {
  std::unique_ptr<Server> server(new Server);
  TRIREME_RETURN_IF_ERROR(server->Begin(options));
  return server;
}

Server::~Server() {
  Stop();
}

absl::Status Server::Begin(const ServerOptions& options) {
  TRIREME_ASSIGN_OR_RETURN(member_, Member::Start(options));
  services_ = MakeServices(*member_);
  rpc::ServerOptions rpc_options;
  rpc_options.loops = member_->loops();
  rpc_options.tls = options.client_tls;
  rpc_ = std::make_unique<rpc::Server>(rpc_options);
  for (const auto& service : services_) rpc_->Register(*service);
  AddPages(*rpc_, *member_, *rpc_);
  if (options.pages.viewers != web::Viewers::kNobody) {
    live_ = std::make_unique<LivePage>(*member_, *rpc_, options.pages);
    live_->AddTo(*rpc_, /*keys=*/true);
  }
  TRIREME_RETURN_IF_ERROR(Listen(options));
  member_->housekeeper().SetClientUrls(AdvertisedUrls(options));
  TRIREME_RETURN_IF_ERROR(rpc_->Start());
  TRIREME_RETURN_IF_ERROR(ListenForPages(options));
  if (live_ != nullptr) live_->Start();
  return absl::OkStatus();
}

/// Ports that have the pages alone.
absl::Status Server::ListenForPages(const ServerOptions& options) {
  if (options.listen_metrics_urls.empty()) return absl::OkStatus();
  rpc::ServerOptions rpc_options;
  rpc_options.tls = options.client_tls;
  // Browsers would choose HTTP/2, which is for gRPC alone.
  if (rpc_options.tls) rpc_options.tls->protocol = "http/1.1";
  pages_ = std::make_unique<rpc::Server>(rpc_options);
  AddPages(*pages_, *member_, *rpc_);
  // Clients may have to show certificates where they read keys, and not where they read metrics.
  if (live_ != nullptr) live_->AddTo(*pages_, /*keys=*/!options.client_tls);
  for (const std::string& url : options.listen_metrics_urls) {
    TRIREME_ASSIGN_OR_RETURN(const std::string text, AddressOfUrl(url));
    TRIREME_ASSIGN_OR_RETURN(const rpc::Address address, rpc::ParseAddress(text));
    TRIREME_RETURN_IF_ERROR(pages_->Listen(address, IsPlain(url)).status());
  }
  return pages_->Start();
}

absl::Status Server::Listen(const ServerOptions& options) {
  for (const std::string& url : options.listen_client_urls) {
    TRIREME_ASSIGN_OR_RETURN(const std::string text, AddressOfUrl(url));
    TRIREME_ASSIGN_OR_RETURN(const rpc::Address address, rpc::ParseAddress(text));
    TRIREME_ASSIGN_OR_RETURN(const rpc::Address bound, rpc_->Listen(address, IsPlain(url)));
    client_addresses_.push_back(bound.ToString());
  }
  return absl::OkStatus();
}

/// What it was told, or where it listens.
std::vector<std::string> Server::AdvertisedUrls(const ServerOptions& options) const {
  if (!options.advertise_client_urls.empty()) return options.advertise_client_urls;
  std::vector<std::string> urls;
  for (std::size_t i = 0; i < client_addresses_.size(); ++i) {
    const std::string& address = client_addresses_[i];
    const bool tls = options.listen_client_urls[i].starts_with("https");
    urls.push_back(address.starts_with("unix:") ? "unix://" + address.substr(5)
                                                : (tls ? "https://" : "http://") + address);
  }
  return urls;
}

void Server::Stop() {
  if (rpc_ == nullptr) return;
  if (live_ != nullptr) live_->Stop();
  member_->HandOver();
  member_->EndStreams();
  rpc_->Drain(kDrainGrace);
  member_->Stop();
  pages_.reset();
  rpc_.reset();
}

}  // namespace trireme::kv::inline engine
