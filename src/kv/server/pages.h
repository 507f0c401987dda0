#pragma once

#include <memory>

#include "kv/server/member.h"
#include "rpc/server.h"

namespace trireme::kv::inline engine {

/// /health, /livez, /readyz, /version and /metrics, as etcd answers them. `server`: whose calls are
/// counted; it may be the one that the pages are on.
void AddPages(rpc::Server& on, Member& member, const rpc::Server& counted);
/// grpc.health.v1.Health, and etcdserverpb.Auth, which is not there yet.
void AddHealthAndAuth(rpc::Server& on, Member& member);

}  // namespace trireme::kv::inline engine
