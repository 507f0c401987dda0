#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "kv/client/core.h"
#include "kv/client/held_lease.h"
#include "kv/client/lease_keeper.h"

namespace trireme::kv::internal {

/// Waits for a lease.
inline absl::StatusOr<std::shared_ptr<HeldLease>> Grant(const std::shared_ptr<Core>& core,
                                                        absl::Duration ttl,
                                                        absl::Duration timeout) {
  return Await<absl::StatusOr<std::shared_ptr<HeldLease>>>(*core, [&](auto done) {
    core->Post([core, ttl, timeout, done] { core->leases().Grant(ttl, timeout, done); });
  });
}

}  // namespace trireme::kv::internal
