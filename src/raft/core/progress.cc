#include "raft/core/progress.h"

#include <algorithm>

namespace trireme::raft {

const char* Progress::StateName() const {
  constexpr const char* kNames[] = {"probe", "replicate", "snapshot"};
  return kNames[state.index()];
}

void Progress::BecomeProbe(Index next_guess) {
  state = Probe{};
  next = std::max(next_guess, match + 1);
  inflight.clear();
  tail_check_due = false;
  log_read_pending = log_read_failed = false;
}

void Progress::BecomeReplicate() {
  state = Replicate{};
  snapshot_refusals = 0;
  next = match + 1;
  inflight.clear();
  log_read_pending = log_read_failed = false;
}

void Progress::BecomeSendSnapshot(const SnapshotMeta& snapshot) {
  state = SendSnapshot{snapshot};
  inflight.clear();
  tail_check_due = false;
  log_read_pending = log_read_failed = false;
}

bool Progress::Accept(Index index) {
  if (index < match || (index == match && !std::holds_alternative<Probe>(state))) return false;
  match = std::max(match, index);
  next = std::max(next, match + 1);
  inflight.FreeTo(match);
  if (const auto* snapshot = std::get_if<SendSnapshot>(&state)) {
    if (match >= snapshot->meta.last.index) BecomeReplicate();
  } else if (!replicating()) {
    BecomeReplicate();
  }
  return true;
}

bool Progress::Reject(Index rejected, Index fitting) {
  if (sending_snapshot() || rejected <= match) return false;
  if (!replicating() && rejected + 1 != next) return false;
  BecomeProbe(std::min(rejected, fitting + 1));
  return true;
}

void Progress::Sent(Index last, std::uint64_t bytes, std::uint64_t round) {
  if (auto* probe = std::get_if<Probe>(&state)) {
    *probe = {true, round};
    return;
  }
  if (last < next) return;
  inflight.Add(last, bytes);
  next = last + 1;
}

}  // namespace trireme::raft
