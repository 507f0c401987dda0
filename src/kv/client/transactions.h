#pragma once

#include <memory>

#include <trireme/kv.h>
#include "kv/client/core.h"

namespace trireme::kv::internal {

/// Commits `txn`. `repeatable`: executing it twice is the same as once. `options.timeout` is final.
void StartCommit(const std::shared_ptr<Core>& core, const Txn& txn, const TxnOptions& options,
                 bool repeatable, Client::TxnDone done);

absl::StatusOr<TxnResult> Commit(const std::shared_ptr<Core>& core, const Txn& txn,
                                 absl::Duration timeout, bool repeatable);

}  // namespace trireme::kv::internal
