#pragma once

#include <vector>

#include "base/ring.h"
#include "raft/core/log_view.h"
#include "raft/core/output.h"
#include "raft/core/types.h"

namespace trireme::raft {

/// Which entries were proposed here, and what became of them: each ticket ends exactly once, as
/// committed or lost. An entry that a new leader truncates is not lost yet: yet another one that
/// holds it may lead and commit it. It is certainly lost when another entry has committed at its
/// index, or at the index where its log was cut off (by the log matching property no log can hold
/// both).
class Tickets {
 public:
  bool empty() const { return standing_.empty() && cut_off_.empty(); }
  void Add(LogPosition position, Ticket ticket) { standing_.push_back({position, ticket}); }

  /// The log was cut off at `cut`, the position of the first entry dropped.
  void Truncate(LogPosition cut);
  /// Everything up to `committed` is. Says what became of the entries that this decides.
  void Decide(Index committed, const LogView& log, std::vector<Committed::Mine>* mine,
              std::vector<Lost>* lost);
  /// A snapshot at `index` takes the place of the log. Entries above it remain only if `kept`.
  void ReplaceBy(Index index, bool kept, std::vector<Lost>* lost);
  /// Nothing more will be heard here.
  void GiveUp(std::vector<Lost>* lost);

 private:
  struct Standing {
    LogPosition position;
    Ticket ticket;
  };
  struct CutOff {
    LogPosition position;
    Ticket ticket;
    LogPosition cut;
  };
  bool DecideCutOff(const CutOff& entry, Index committed, const LogView& log,
                    std::vector<Committed::Mine>* mine, std::vector<Lost>* lost) const;

  Ring<Standing> standing_;  // in the log; by index
  std::vector<CutOff> cut_off_;
};

}  // namespace trireme::raft
