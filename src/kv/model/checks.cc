#include "kv/model/checks.h"

#include <algorithm>
#include <set>
#include <variant>
#include <vector>

#include "kv/model/command_codec.h"

namespace trireme::kv::inline engine {
namespace {

/// Keys put and intervals deleted by operations that can run together.
struct Touched {
  std::set<std::string_view> puts;
  std::vector<const DeleteRangeRequest*> deletes;
};

bool Covers(const DeleteRangeRequest& request, std::string_view key) {
  if (request.end.empty()) return key == request.key;
  return key >= request.key && key < request.end;
}

bool Deleted(const Touched& touched, std::string_view key) {
  return std::ranges::any_of(touched.deletes,
                             [key](const auto* request) { return Covers(*request, key); });
}

Error AddPut(Touched& touched, std::string_view key, bool other_branch_has_it = false) {
  if (!touched.puts.insert(key).second && !other_branch_has_it) return Error::kDuplicateKey;
  return Deleted(touched, key) ? Error::kDuplicateKey : Error::kNone;
}

Error Collect(const std::vector<RequestOp>& ops, Touched& touched);

/// The branches of a nested transaction: a key may be put in both, as only one runs.
Error CollectTxn(const TxnRequest& txn, Touched& touched) {
  Touched success, failure;
  if (const Error error = Collect(txn.success, success); error != Error::kNone) return error;
  if (const Error error = Collect(txn.failure, failure); error != Error::kNone) return error;
  for (const std::string_view key : success.puts)
    if (const Error error = AddPut(touched, key); error != Error::kNone) return error;
  for (const std::string_view key : failure.puts) {
    const Error error = AddPut(touched, key, success.puts.contains(key));
    if (error != Error::kNone) return error;
  }
  for (const Touched* branch : {&success, &failure})
    touched.deletes.insert(touched.deletes.end(), branch->deletes.begin(), branch->deletes.end());
  return Error::kNone;
}

/// In etcd's order (checkIntervals): this level's deletes, then nested transactions one by one,
/// then this level's puts. A nested delete thus does not clash with an earlier sibling's put.
Error Collect(const std::vector<RequestOp>& ops, Touched& touched) {
  for (const RequestOp& op : ops)
    if (const auto* request = std::get_if<DeleteRangeRequest>(&op.request))
      touched.deletes.push_back(request);
  for (const RequestOp& op : ops) {
    const auto* txn = std::get_if<TxnRequest>(&op.request);
    if (txn == nullptr) continue;
    if (const Error error = CollectTxn(*txn, touched); error != Error::kNone) return error;
  }
  for (const RequestOp& op : ops) {
    const auto* request = std::get_if<PutRequest>(&op.request);
    if (request == nullptr) continue;
    if (const Error error = AddPut(touched, request->key); error != Error::kNone) return error;
  }
  return Error::kNone;
}

Error CheckOps(const TxnRequest& txn, int ops_max, int depth);

Error CheckOp(const RequestOp& op, int ops_max, int depth) {
  if (std::holds_alternative<std::monostate>(op.request)) return Error::kKeyNotFound;
  if (const auto* r = std::get_if<RangeRequest>(&op.request)) return Check(*r);
  if (const auto* r = std::get_if<PutRequest>(&op.request)) return Check(*r);
  if (const auto* r = std::get_if<DeleteRangeRequest>(&op.request)) return Check(*r);
  return CheckOps(std::get<TxnRequest>(op.request), ops_max, depth + 1);
}

Error CheckOps(const TxnRequest& txn, int ops_max, int depth) {
  const std::size_t count = std::max({txn.compares.size(), txn.success.size(), txn.failure.size()});
  if (depth > kTxnDepthMax || static_cast<std::int64_t>(count) > ops_max) return Error::kTooManyOps;
  for (const Compare& compare : txn.compares)
    if (compare.key.empty()) return Error::kEmptyKey;
  const int left = ops_max - static_cast<int>(count);
  for (const auto* ops : {&txn.success, &txn.failure})
    for (const RequestOp& op : *ops)
      if (const Error error = CheckOp(op, left, depth); error != Error::kNone) return error;
  return Error::kNone;
}

bool ReadOnlyOp(const RequestOp& op) {
  if (const auto* txn = std::get_if<TxnRequest>(&op.request)) return ReadOnly(*txn);
  return std::holds_alternative<RangeRequest>(op.request);
}

}  // namespace

Error Check(const RangeRequest& request) {
  if (request.key.empty()) return Error::kEmptyKey;
  const bool known = static_cast<std::uint8_t>(request.order) < kSortOrders &&
                     static_cast<std::uint8_t>(request.target) < kSortTargets;
  return known ? Error::kNone : Error::kInvalidSortOption;
}

Error Check(const PutRequest& request) {
  if (request.key.empty()) return Error::kEmptyKey;
  if (request.ignore_value && !request.value.empty()) return Error::kValueProvided;
  if (request.ignore_lease && request.lease != kNoLease) return Error::kLeaseProvided;
  return Error::kNone;
}

Error Check(const DeleteRangeRequest& request) {
  return request.key.empty() ? Error::kEmptyKey : Error::kNone;
}

Error Check(const TxnRequest& request, int ops_max) {
  if (const Error error = CheckOps(request, ops_max, 1); error != Error::kNone) return error;
  Touched success, failure;
  if (const Error error = Collect(request.success, success); error != Error::kNone) return error;
  return Collect(request.failure, failure);
}

Error Check(const LeaseGrantRequest& request) {
  return request.ttl_s > kLeaseTtlMax ? Error::kLeaseTtlTooLarge : Error::kNone;
}

bool ReadOnly(const TxnRequest& request) {
  return std::ranges::all_of(request.success, ReadOnlyOp) &&
         std::ranges::all_of(request.failure, ReadOnlyOp);
}

}  // namespace trireme::kv::inline engine
