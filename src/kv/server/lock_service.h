#pragma once

#include <memory>
#include <string>

#include "kv/server/member.h"
#include "rpc/server.h"

namespace trireme::kv::inline engine {

/// v3lockpb.Lock.
class LockService final : public rpc::Service {
 public:
  explicit LockService(Member& member) : member_(member) {}
  void RegisterWith(rpc::Server& server) override;

 private:
  void Lock(std::shared_ptr<rpc::ServerCall> call, const std::string& message);
  void Unlock(std::shared_ptr<rpc::ServerCall> call, const std::string& message);

  Member& member_;
};

/// v3electionpb.Election.
class ElectionService final : public rpc::Service {
 public:
  explicit ElectionService(Member& member) : member_(member) {}
  void RegisterWith(rpc::Server& server) override;

 private:
  using Call = std::shared_ptr<rpc::ServerCall>;

  void Campaign(Call call, const std::string& message);
  void Proclaim(Call call, const std::string& message);
  void Resign(Call call, const std::string& message);
  void Leader(Call call, const std::string& message);
  void Observe(Call call, const std::string& message);

  Member& member_;
};

}  // namespace trireme::kv::inline engine
