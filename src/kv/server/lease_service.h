#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kv/server/member.h"
#include "rpc/server.h"

namespace trireme::kv::inline engine {

/// etcdserverpb.Lease.
class LeaseService final : public rpc::Service {
 public:
  explicit LeaseService(Member& member);
  ~LeaseService() override;
  void RegisterWith(rpc::Server& server) override;

 private:
  struct KeepAliveStream;
  class Renewals;
  class KeepAliveHandler;
  using Call = std::shared_ptr<rpc::ServerCall>;

  void Grant(Call call, const std::string& message);
  void Revoke(Call call, const std::string& message);
  void TimeToLive(Call call, const std::string& message);
  void Leases(Call call, const std::string& message);
  Renewals& RenewalsOf(const rpc::ServerCall& call);

  Member& member_;
  std::vector<std::unique_ptr<Renewals>> renewals_;  ///< One for each loop.
};

}  // namespace trireme::kv::inline engine
