#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include <trireme/raft/types.h>

namespace trireme::raft {

/// How many bytes a group's latest entries have, roughly: what stays in the log behind a snapshot
/// is bounded by bytes, too.
class Trailing {
 public:
  /// Entries up to `applied` have been applied, `bytes` of them new.
  void Add(Index applied, std::uint64_t bytes) {
    total_ += bytes;
    if (!marks_.empty() && total_ - marks_.back().total < kMarkBytes) return;
    marks_.push_back({applied, total_});
  }
  /// The entry up to which all must go, so that those up to `at` have at most `bytes_max`; the
  /// first when so many have not been seen. What lies before is forgotten.
  Index DropTo(Index at, std::uint64_t bytes_max) {
    const auto end = std::find_if(marks_.begin(), marks_.end(),
                                  [&](const Mark& mark) { return mark.applied > at; });
    if (end == marks_.begin()) return {};
    const std::uint64_t total = std::prev(end)->total;
    const auto kept = std::find_if(
        marks_.begin(), end, [&](const Mark& mark) { return total - mark.total <= bytes_max; });
    if (kept == marks_.begin()) return {};
    const Index drop_to = kept->applied;
    marks_.erase(marks_.begin(), std::prev(kept));
    return drop_to;
  }

 private:
  struct Mark {
    Index applied;
    std::uint64_t total = 0;
  };
  static constexpr std::uint64_t kMarkBytes = 256u << 10;
  std::uint64_t total_ = 0;
  std::vector<Mark> marks_;  // By index.
};

}  // namespace trireme::raft
