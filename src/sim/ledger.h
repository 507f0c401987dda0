#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "raft/core/core.h"

namespace trireme::sim {

/// What an outside observer knows of all logs: every entry that any node ever took in, what each
/// node's log is now, and what has committed. The oracles read it.
class Ledger {
 public:
  /// One node's log, by terms alone.
  struct Log {
    raft::LogPosition base;         ///< What is before the first.
    std::vector<raft::Term> terms;  ///< From base.index + 1 on.
    raft::Index last() const { return base.index + terms.size(); }
    /// 0: not in it.
    raft::Term TermAt(raft::Index index) const;
  };
  struct CommittedEntry {
    raft::Term term;
    std::uint64_t hash = 0;
    raft::Term known_in;  ///< The term of the node that was first to say so.
    raft::NodeId said_by;
  };

  void Restore(raft::NodeId node, const raft::Restored& restored);
  /// What is wrong with it, if anything is: an entry with the index and term of another that is not
  /// the same, or does not follow on the same.
  std::string Write(raft::NodeId node, const raft::Persist& batch, bool witness);
  /// What is wrong with it.
  std::string Commit(raft::NodeId node, const raft::Entry& entry, raft::Term node_term);

  const Log& LogOf(raft::NodeId node) { return logs_[node]; }
  raft::Index committed_last() const { return raft::Index{committed_.size()}; }
  const CommittedEntry& Committed(raft::Index index) const { return committed_[index.value - 1]; }

 private:
  struct Seen {
    raft::Term term;
    raft::Term before;  ///< Of the entry before it.
    std::uint64_t hash = 0;
    bool stripped = false;  ///< Only a witness has had it so far: its data is unknown.
    raft::NodeId by;
  };
  std::string Enter(raft::NodeId node, const raft::Entry& entry, raft::Term before, bool stripped);

  std::map<raft::NodeId, Log> logs_;
  std::vector<std::vector<Seen>> seen_;  ///< By index.
  std::vector<CommittedEntry> committed_;
};

}  // namespace trireme::sim
