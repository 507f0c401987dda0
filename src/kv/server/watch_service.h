#pragma once

#include <memory>
#include <vector>

#include "kv/server/member.h"
#include "rpc/server.h"

namespace trireme::kv::inline engine {

/// etcdserverpb.Watch: on each io thread a WatchHub for the streams that live there.
class WatchService final : public rpc::Service {
 public:
  explicit WatchService(Member& member);
  ~WatchService() override;
  void RegisterWith(rpc::Server& server) override;

 private:
  class Shard;
  class Stream;
  class Handler;

  Shard& ShardOf(const rpc::ServerCall& call);

  Member& member_;
  std::vector<std::unique_ptr<Shard>> shards_;  ///< One for each loop.
};

}  // namespace trireme::kv::inline engine
