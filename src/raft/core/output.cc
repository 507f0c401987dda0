#include "raft/core/output.h"

#include <utility>

namespace trireme::raft {

/// Not by three moves of the whole.
void Output::Swap(Output& other) {
  std::swap(persist.token, other.persist.token);
  persist.hard_state.swap(other.persist.hard_state);
  persist.chunks.swap(other.persist.chunks);
  if (persist.snapshot || other.persist.snapshot) persist.snapshot.swap(other.persist.snapshot);
  persist.entries.swap(other.persist.entries);
  messages.swap(other.messages);
  if (restore || other.restore) restore.swap(other.restore);
  std::swap(committed.first, other.committed.first);
  std::swap(committed.last, other.committed.last);
  committed.entries.swap(other.committed.entries);
  committed.mine.swap(other.committed.mine);
  reads.swap(other.reads);
  lost.swap(other.lost);
  log_reads.swap(other.log_reads);
  snapshot_reads.swap(other.snapshot_reads);
}

void Output::Clear() {
  persist.token = kNothing;
  persist.hard_state.reset();
  persist.chunks.clear();
  persist.snapshot.reset();
  persist.entries.clear();
  messages.clear();
  restore.reset();
  committed.first = Index{1};
  committed.last = Index{};
  committed.entries.clear();
  committed.mine.clear();
  reads.clear();
  lost.clear();
  log_reads.clear();
  snapshot_reads.clear();
}

}  // namespace trireme::raft
