#pragma once

#include <memory>

#include "kv/server/member.h"
#include "rpc/server.h"

namespace trireme::kv::inline engine {

/// /health, /livez, /readyz, /version and /metrics, as etcd answers them. `server`: whose calls are
/// counted; it may be the one that the pages are on.
void AddPages(rpc::Server& on, Member& member, const rpc::Server& counted);

}  // namespace trireme::kv::inline engine
