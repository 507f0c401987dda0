#include "raft/core/tickets.h"

#include <algorithm>

namespace trireme::raft {

void Tickets::Truncate(LogPosition cut) {
  while (!standing_.empty() && standing_.back().position.index >= cut.index) {
    cut_off_.push_back({standing_.back().position, standing_.back().ticket, cut});
    standing_.pop_back();
  }
}

void Tickets::Decide(Index committed, const LogView& log, std::vector<Committed::Mine>* mine,
                     std::vector<Lost>* lost) {
  for (; !standing_.empty() && standing_.front().position.index <= committed;
       standing_.pop_front()) {
    mine->push_back({standing_.front().position.index, standing_.front().ticket});
  }
  if (cut_off_.empty()) return;
  std::erase_if(cut_off_, [&](const CutOff& entry) {
    return DecideCutOff(entry, committed, log, mine, lost);
  });
  std::sort(mine->begin(), mine->end(),
            [](const auto& a, const auto& b) { return a.index < b.index; });
}

bool Tickets::DecideCutOff(const CutOff& entry, Index committed, const LogView& log,
                           std::vector<Committed::Mine>* mine, std::vector<Lost>* lost) const {
  if (committed >= entry.position.index) {
    if (log.Holds(entry.position)) {
      mine->push_back({entry.position.index, entry.ticket});
    } else {
      lost->push_back({entry.ticket, LostKind::kReplaced});
    }
    return true;
  }
  if (committed < entry.cut.index || log.Holds(entry.cut)) return false;
  lost->push_back({entry.ticket, LostKind::kAbandoned});
  return true;
}

void Tickets::GiveUp(std::vector<Lost>* lost) {
  for (; !standing_.empty(); standing_.pop_front()) {
    lost->push_back({standing_.front().ticket, LostKind::kUnknown});
  }
  for (const CutOff& entry : cut_off_) lost->push_back({entry.ticket, LostKind::kUnknown});
  cut_off_.clear();
}

void Tickets::ReplaceBy(Index index, bool kept, std::vector<Lost>* lost) {
  for (; !standing_.empty() && standing_.front().position.index <= index; standing_.pop_front()) {
    lost->push_back({standing_.front().ticket, LostKind::kUnknown});
  }
  // What stood above conflicts with the snapshot, of which every entry is committed.
  for (; !kept && !standing_.empty(); standing_.pop_front()) {
    lost->push_back({standing_.front().ticket, LostKind::kAbandoned});
  }
  std::erase_if(cut_off_, [&](const CutOff& entry) {
    if (entry.cut.index > index) return false;
    lost->push_back({entry.ticket, LostKind::kUnknown});
    return true;
  });
}

}  // namespace trireme::raft
