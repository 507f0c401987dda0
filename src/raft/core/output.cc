#include "raft/core/output.h"

namespace trireme::raft {

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
