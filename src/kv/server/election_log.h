#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include <trireme/raft.h>

namespace trireme::kv::inline engine {

/// Changes of role and leader that a member remembers.
inline constexpr std::size_t kElectionsKept = 128;

/// What a member became, or whom it began to follow, and when.
struct ElectionEvent {
  std::int64_t unix_ms = 0;
  std::uint64_t member = 0;
  std::uint64_t term = 0;
  raft::RoleName role = raft::RoleName::kFollower;
  std::uint64_t leader = 0;  ///< 0: it knows of none.
  friend bool operator==(const ElectionEvent&, const ElectionEvent&) = default;
};

/// The newest of this member's. Thread-safe.
class ElectionLog {
 public:
  void Note(std::uint64_t member, const raft::Leadership& now);
  std::vector<ElectionEvent> Newest(std::size_t most) const;
  /// One more with each event.
  std::uint64_t version() const;

 private:
  mutable std::mutex mutex_;
  std::deque<ElectionEvent> events_;  // Guarded by mutex_, as the next.
  std::uint64_t version_ = 0;
};

}  // namespace trireme::kv::inline engine
