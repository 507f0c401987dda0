#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <trireme/kv.h>
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kv/client/core.h"
#include "kv/client/held_lease.h"

namespace trireme::kv::internal {

/// A key under a prefix whose oldest key owns it: what a lock and an election are (the recipes of
/// etcd's package concurrency, with which this shares its keys). The key bears a lease of its own.
class Ownership {
 public:
  /// Stands in line under `name`/ with `value`, at the end. `timeout` is of the calls.
  static absl::StatusOr<std::shared_ptr<Ownership>> Enter(std::shared_ptr<Core> core,
                                                          std::string_view name,
                                                          std::string_view value,
                                                          absl::Duration ttl,
                                                          absl::Duration timeout);
  ~Ownership();  // Leaves, without waiting.

  /// Waits for those before. DEADLINE_EXCEEDED: they were there for all of `timeout`; UNAVAILABLE:
  /// the lease was lost meanwhile; CANCELLED: `cancelled`, which may be null, has become true.
  absl::Status AwaitTurn(absl::Duration timeout, const std::atomic<bool>* cancelled);
  /// Whether nobody is before.
  absl::StatusOr<bool> IsFirst(absl::Duration timeout);

  FencingToken token() const { return token_; }
  const std::string& key() const { return key_; }
  HeldLease& lease() const { return *lease_; }
  Compare Fence() const;
  absl::Status Rewrite(std::string_view value, absl::Duration timeout);
  absl::Status Leave(absl::Duration timeout);

 private:
  struct Turn {
    std::optional<std::string> before;  ///< The key just before ours; nothing: ours is the first.
    Revision revision;
  };

  Ownership(std::shared_ptr<Core> core, std::string_view name, std::shared_ptr<HeldLease> lease);
  absl::Status WriteKey(std::string_view value, absl::Duration timeout);
  absl::StatusOr<Turn> LookBefore(absl::Duration timeout);
  void AwaitDeletion(const Turn& turn, absl::Duration timeout);
  absl::Status Lost() const;

  const std::shared_ptr<Core> core_;
  const std::string prefix_;
  const std::shared_ptr<HeldLease> lease_;
  const std::string key_;
  FencingToken token_;  // The key's create revision.

  std::mutex mutex_;    // One Rewrite at a time.
  Version version_{1};  // Guarded by mutex_: of the key, which nobody else writes.
};

std::string OwnershipPrefix(std::string_view name);

}  // namespace trireme::kv::internal
