#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kv/model/layout.h"
#include "kv/model/ordered_store.h"
#include "kv/model/reads.h"

namespace trireme::kv::inline engine {

struct LeaseStatus {
  bool exists = false;
  std::int64_t granted_ttl_s = 0;
  std::int64_t ttl_s = 0;  ///< What is left; -1 when there is no such lease.
  std::vector<std::string> keys;
};

struct StateHash {
  Error error = Error::kNone;
  std::uint32_t hash = 0;
  std::int64_t revision = 0;
  std::int64_t compacted = -1;
};

/// When a lease ends, after all extensions.
std::int64_t LeaseEndMs(const LeaseRecord& lease, const Meta& meta);

/// Every read, of one committed state. Any thread, any number at once.
class ReadView {
 public:
  ReadView(std::shared_ptr<const StoreReader> store, const Meta& meta)
      : store_(std::move(store)), meta_(meta) {}

  const Meta& meta() const { return meta_; }
  const StoreReader& store() const { return *store_; }

  absl::Status Range(const RangeRequest& request, KeyValueSink sink, RangeSummary* summary) const;
  absl::Status Range(const RangeRequest& request, Error* error, RangeResult* result) const;
  /// A transaction that is ReadOnly (checks.h).
  absl::Status Txn(const TxnRequest& request, Error* error, TxnResult* result) const;
  /// `now_ms`: the leader's lease time.
  absl::StatusOr<LeaseStatus> TimeToLive(LeaseId id, std::int64_t now_ms, bool keys) const;
  /// By their end, then by id.
  absl::StatusOr<std::vector<LeaseId>> Leases() const;
  /// What the servers keep for themselves under names that begin so, by name.
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Notes(
      std::string_view prefix) const;
  /// Of every version that can be read at `revision` (0: the newest) or was one of its history not
  /// compacted: equal on replicas that are equal, however far each has swept.
  absl::StatusOr<StateHash> Hash(std::int64_t revision) const;

 private:
  std::unique_ptr<StoreIterator> IteratorAt(std::int64_t revision) const;

  std::shared_ptr<const StoreReader> store_;
  Meta meta_;
};

}  // namespace trireme::kv::inline engine
