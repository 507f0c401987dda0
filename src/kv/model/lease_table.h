#pragma once

#include <optional>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "kv/model/layout.h"

namespace trireme::kv::inline engine {

/// The store's leases in memory: which there are, and which ends next.
class LeaseTable {
 public:
  void Set(LeaseId id, const LeaseRecord& record);
  void Remove(LeaseId id);
  const LeaseRecord* Find(LeaseId id) const;
  std::size_t size() const { return leases_.size(); }

  /// The lease that ended first at or before the state's time, if any. Among equals the smallest
  /// id.
  std::optional<LeaseId> Due(const Meta& meta);
  /// No lease ends before it; INT64_MAX without leases. Due brings it up to date.
  std::int64_t next_end_ms() const { return by_end_.empty() ? INT64_MAX : by_end_.begin()->first; }

 private:
  struct Lease {
    LeaseRecord record;
    std::int64_t ordered_by_ms;  ///< In by_end_: its end or earlier.
  };

  absl::flat_hash_map<LeaseId, Lease> leases_;
  absl::btree_set<std::pair<std::int64_t, LeaseId>> by_end_;
};

}  // namespace trireme::kv::inline engine
