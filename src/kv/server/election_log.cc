#include "kv/server/election_log.h"

#include <algorithm>
#include <chrono>

namespace trireme::kv::inline engine {

void ElectionLog::Note(std::uint64_t member, const raft::Leadership& now) {
  const auto at = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  const std::lock_guard lock(mutex_);
  events_.push_back({at.count(), member, now.term.value, now.role, now.leader.value});
  if (events_.size() > kElectionsKept) events_.pop_front();
  ++version_;
}

std::vector<ElectionEvent> ElectionLog::Newest(std::size_t most) const {
  const std::lock_guard lock(mutex_);
  const auto count = static_cast<std::ptrdiff_t>(std::min(most, events_.size()));
  return {events_.end() - count, events_.end()};
}

std::uint64_t ElectionLog::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

}  // namespace trireme::kv::inline engine
