#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "kv/model/results.h"
#include "kv/model/view.h"

namespace trireme::kv::inline engine {

/// What an observer of an election is told, as by etcd's Observe: every value of who leads, in
/// order, and after each end of a leadership whoever leads then. A plain object: one thread at a
/// time.
class LeaderSequence {
 public:
  using Tell = std::function<void(const KeyValue& leader)>;

  /// `prefix`: of the election's line.
  LeaderSequence(std::string prefix, Tell tell)
      : prefix_(std::move(prefix)), tell_(std::move(tell)) {}

  /// Begins, or goes on after events were missed, with who leads in `newest`.
  absl::Status Restart(const ReadView& newest);
  /// An event of a key under the prefix; all come, in order. `newest` has it.
  absl::Status OnEvent(EventType type, const KeyValue& kv, const ReadView& newest);

 private:
  void Say(const KeyValue& kv);

  const std::string prefix_;
  const Tell tell_;
  std::string leader_;     ///< Empty: nobody leads.
  std::int64_t next_ = 0;  ///< The first revision whose events have not been minded.
  std::int64_t told_ = 0;  ///< Of the newest value told.
};

}  // namespace trireme::kv::inline engine
