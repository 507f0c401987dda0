#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kv/server/live_page.h"
#include "kv/server/member.h"
#include "kv/server/options.h"
#include "rpc/server.h"

namespace trireme::kv::inline engine {

/// A member with its services on its ports.
class Server {
 public:
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);
  ~Server();  ///< Stop().

  Member& member() { return *member_; }
  /// Where clients are served.
  const std::vector<std::string>& client_addresses() const { return client_addresses_; }

  /// Takes no more calls, hands leadership over, ends the member. Idempotent.
  void Stop();

 private:
  Server() = default;
  absl::Status Begin(const ServerOptions& options);
  absl::Status Listen(const ServerOptions& options);
  absl::Status ListenForPages(const ServerOptions& options);
  std::vector<std::string> AdvertisedUrls(const ServerOptions& options) const;

  std::unique_ptr<Member> member_;
  std::vector<std::unique_ptr<rpc::Service>> services_;
  std::unique_ptr<LivePage> live_;  // None when nobody may see it. Outlives the next two.
  std::unique_ptr<rpc::Server> rpc_;
  std::unique_ptr<rpc::Server> pages_;
  std::vector<std::string> client_addresses_;
};

}  // namespace trireme::kv::inline engine
