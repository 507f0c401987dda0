#include "kv/model/lease_table.h"

#include "kv/model/view.h"

namespace trireme::kv::inline engine {

void LeaseTable::Set(LeaseId id, const LeaseRecord& record) {
  Remove(id);
  leases_[id] = {record, record.expiry_ms};
  by_end_.emplace(record.expiry_ms, id);
}

void LeaseTable::Remove(LeaseId id) {
  const auto it = leases_.find(id);
  if (it == leases_.end()) return;
  by_end_.erase({it->second.ordered_by_ms, id});
  leases_.erase(it);
}

const LeaseRecord* LeaseTable::Find(LeaseId id) const {
  const auto it = leases_.find(id);
  return it == leases_.end() ? nullptr : &it->second.record;
}

/// An extension moves the end of all leases at once; a lease is put where it now belongs when it
/// comes to the front. So the order in which leases are given does not depend on what was asked
/// before, or on whether the table was loaded since.
std::optional<LeaseId> LeaseTable::Due(const Meta& meta) {
  while (!by_end_.empty()) {
    const auto [ordered_by_ms, id] = *by_end_.begin();
    if (ordered_by_ms > meta.time_ms) return std::nullopt;
    Lease& lease = leases_.find(id)->second;
    const std::int64_t end_ms = LeaseEndMs(lease.record, meta);
    if (end_ms == ordered_by_ms) return id;
    by_end_.erase(by_end_.begin());
    lease.ordered_by_ms = end_ms;
    by_end_.emplace(end_ms, id);
  }
  return std::nullopt;
}

}  // namespace trireme::kv::inline engine
