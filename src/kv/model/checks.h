#pragma once

#include "kv/model/errors.h"
#include "kv/model/requests.h"

/// The gate: what a request must be, whatever the state, to be answered or proposed. The server
/// calls it once; the model takes what has passed.
namespace trireme::kv::inline engine {

/// etcd's --max-txn-ops: compares, and operations of either branch, of a transaction with those
/// around it.
inline constexpr int kTxnOpsMax = 128;

/// The longest ttl etcd grants, in seconds.
inline constexpr std::int64_t kLeaseTtlMax = 9'000'000'000;

Error Check(const RangeRequest& request);
Error Check(const PutRequest& request);
Error Check(const DeleteRangeRequest& request);
/// Also that no key is put twice, or put and deleted, by operations that can both run.
Error Check(const TxnRequest& request, int ops_max = kTxnOpsMax);
Error Check(const LeaseGrantRequest& request);

/// Nothing in it, at any depth, changes anything: it needs no log entry.
bool ReadOnly(const TxnRequest& request);

}  // namespace trireme::kv::inline engine
