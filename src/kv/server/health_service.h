#pragma once

#include "kv/server/member.h"
#include "rpc/server.h"

namespace trireme::kv::inline engine {

/// grpc.health.v1.Health: whether this member has a leader and no failure.
class HealthService final : public rpc::Service {
 public:
  explicit HealthService(Member& member) : member_(member) {}
  void RegisterWith(rpc::Server& server) override;

 private:
  Member& member_;
};

/// etcdserverpb.Auth, which is not there yet: says so.
class AuthService final : public rpc::Service {
 public:
  void RegisterWith(rpc::Server& server) override;
};

}  // namespace trireme::kv::inline engine
