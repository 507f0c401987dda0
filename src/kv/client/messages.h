#pragma once

#include <string>

#include <trireme/kv.h>
#include "absl/status/statusor.h"
#include "etcd/rpc.pb.h"

/// Between the words of <trireme/kv.h> and those of etcd's API. Pure.
namespace trireme::kv::internal {

KeyValue FromProto(mvccpb::KeyValue key_value);
RangeResult FromProto(etcdserverpb::RangeResponse reply);
DeleteResult FromProto(const etcdserverpb::DeleteRangeResponse& reply);
Event FromProto(mvccpb::Event event);

etcdserverpb::RangeRequest ToProto(const RangeQuery& query);
etcdserverpb::DeleteRangeRequest ToProto(const KeyRange& range);
etcdserverpb::PutRequest PutOf(std::string_view key, std::string_view value, LeaseId lease);
etcdserverpb::Compare ToProto(const Compare& compare);
/// The conditions and branches alone; fences of nested transactions are within.
etcdserverpb::TxnRequest BodyOf(const Txn& txn);
/// `body` as the one step of a transaction that runs it under `compares`.
etcdserverpb::TxnRequest Under(const std::vector<Compare>& compares, etcdserverpb::TxnRequest body);
/// Whether either branch, at any depth, changes something.
bool Writes(const Txn& txn);

/// The answer to BodyOf(txn). INTERNAL: it has not the shape of the question.
absl::StatusOr<TxnResult> FromProto(const Txn& txn, etcdserverpb::TxnResponse reply);

absl::Status FenceFailed();

}  // namespace trireme::kv::internal
