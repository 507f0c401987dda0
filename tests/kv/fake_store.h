#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "etcd/rpc.pb.h"

/// As much of etcd's data model as the client's tests need, with its error strings. Thread-safe.
/// History is kept as events; leases expire only when a test says so.
namespace trireme::kv::test {

class FakeStore {
 public:
  using Txn = etcdserverpb::TxnRequest;

  absl::StatusOr<etcdserverpb::RangeResponse> Range(const etcdserverpb::RangeRequest& request);
  absl::StatusOr<etcdserverpb::PutResponse> Put(const etcdserverpb::PutRequest& request);
  absl::StatusOr<etcdserverpb::DeleteRangeResponse> Delete(
      const etcdserverpb::DeleteRangeRequest& request);
  absl::StatusOr<etcdserverpb::TxnResponse> Commit(const Txn& request);
  absl::StatusOr<etcdserverpb::CompactionResponse> Compact(std::int64_t revision);

  absl::StatusOr<etcdserverpb::LeaseGrantResponse> Grant(std::int64_t id, std::int64_t ttl);
  absl::StatusOr<etcdserverpb::LeaseRevokeResponse> Revoke(std::int64_t id);
  /// The TTL of a lease that lives, 0 of another.
  std::int64_t TimeToLive(std::int64_t id);
  std::vector<std::int64_t> leases();

  std::int64_t revision();
  std::int64_t compacted();
  etcdserverpb::ResponseHeader Header();

  /// Events of `from` and later, by revision; nothing when compacted.
  std::optional<std::vector<mvccpb::Event>> EventsSince(std::int64_t from);
  /// Called after every change, until Forget of the same owner.
  void OnChange(const void* owner, std::function<void()> callback);
  void Forget(const void* owner);

 private:
  using KeyValue = mvccpb::KeyValue;

  /// One transaction under way.
  struct Writing {
    std::vector<mvccpb::Event> events;
  };

  template <class Reply, class Body>
  absl::StatusOr<Reply> Change(Body body);
  etcdserverpb::ResponseHeader HeaderLocked() const;
  absl::Status ApplyRange(const etcdserverpb::RangeRequest& request,
                          etcdserverpb::RangeResponse* reply) const;
  absl::Status ApplyPut(const etcdserverpb::PutRequest& request, Writing* writing);
  void ApplyDelete(const etcdserverpb::DeleteRangeRequest& request, Writing* writing,
                   etcdserverpb::DeleteRangeResponse* reply);
  absl::Status ApplyTxn(const Txn& request, Writing* writing, etcdserverpb::TxnResponse* reply);
  absl::Status ApplyOp(const etcdserverpb::RequestOp& op, Writing* writing,
                       etcdserverpb::ResponseOp* reply);
  bool Holds(const etcdserverpb::Compare& compare) const;
  std::vector<const KeyValue*> Select(const etcdserverpb::RangeRequest& request) const;

  std::mutex mutex_;
  std::int64_t revision_ = 1;
  std::int64_t compacted_ = 0;
  std::map<std::string, KeyValue> keys_;
  std::vector<mvccpb::Event> history_;
  std::map<std::int64_t, std::int64_t> leases_;  // TTL by id.
  std::mutex listeners_mutex_;
  std::map<const void*, std::function<void()>> listeners_;  // Guarded by listeners_mutex_.
};

/// Whether `key` is in the range, by etcd's reading of `end`.
bool InRange(const std::string& key, const std::string& begin, const std::string& end);

}  // namespace trireme::kv::test
