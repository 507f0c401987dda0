#include "kv/server/lease_driver.h"

namespace trireme::kv::inline engine {

std::optional<Command> LeaseDriver::Next(bool leads) {
  const std::lock_guard lock(mutex_);
  return clock_.Next(NowMs(), {.leads = leads,
                               .state_time_ms = state_time_ms_,
                               .lease_count = lease_count_,
                               .next_lease_end_ms = next_lease_end_ms_});
}

void LeaseDriver::OnCommitted(const CommittedBatch& batch) {
  state_time_ms_ = batch.view->meta().time_ms;
  lease_count_ = batch.lease_count;
  next_lease_end_ms_ = batch.next_lease_end_ms;
}

}  // namespace trireme::kv::inline engine
