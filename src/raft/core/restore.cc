#include <string>
#include <utility>

#include "base/check.h"
#include "raft/core/state.h"

namespace trireme::raft {

namespace {

/// Where the restored log begins: behind the snapshot, or, if it reaches further back, behind its
/// own first entry.
LogPosition BaseOf(const Restored& restored) {
  LogPosition first = restored.entries.empty() ? LogPosition{} : PositionOf(restored.entries[0]);
  if (!restored.older_terms.empty()) {
    first = {restored.older_terms[0].first, restored.older_terms[0].term};
  }
  const LogPosition snapshot = restored.snapshot.last;
  if (first.index == Index{} || first.index > snapshot.index) return snapshot;
  return first;
}

Index LastOf(const Restored& restored) {
  return restored.entries.empty() ? Index{} : restored.entries.back().index;
}

/// The entries say something else of the snapshot's last one, or end before it: they are what a
/// crash left between storing a snapshot and dropping the log that it replaces.
bool IsReplacedBySnapshot(const Restored& restored) {
  const LogPosition snapshot = restored.snapshot.last;
  if (LastOf(restored) < snapshot.index) return true;
  Term at_snapshot = snapshot.term;
  for (const TermRun& run : restored.older_terms) {
    if (run.first <= snapshot.index) at_snapshot = run.term;
  }
  for (const Entry& entry : restored.entries) {
    if (entry.index == snapshot.index) at_snapshot = entry.term;
  }
  return at_snapshot != snapshot.term;
}

Answer ValidateLog(const Restored& restored) {
  Term term;
  for (std::size_t i = 0; i < restored.entries.size(); ++i) {
    const Entry& entry = restored.entries[i];
    const std::string name = "entry " + std::to_string(entry.index.value);
    if (entry.index != restored.entries[0].index + i || entry.index == Index{}) {
      return Refuse(Outcome::kInvalid, name + " stands where another belongs: the log has a gap");
    }
    if (entry.term < term || entry.term == Term{} || entry.term > restored.hard_state.term) {
      return Refuse(Outcome::kInvalid, name + " has an impossible term");
    }
    if (entry.kind == EntryKind::kConfiguration && !DecodeConfiguration(entry.data.view())) {
      return Refuse(Outcome::kInvalid, name + " is no valid configuration");
    }
    term = entry.term;
  }
  return {};
}

Answer ValidateOlder(const Restored& restored) {
  if (restored.older_terms.empty()) return {};
  if (restored.entries.empty()) {
    return Refuse(Outcome::kInvalid, "older terms without entries that follow");
  }
  TermRun last;
  for (const TermRun& run : restored.older_terms) {
    if (run.first <= last.first || run.term <= last.term) {
      return Refuse(Outcome::kInvalid, "older terms are out of order");
    }
    last = run;
  }
  if (last.first >= restored.entries[0].index || last.term > restored.entries[0].term) {
    return Refuse(Outcome::kInvalid, "older terms do not lead up to the entries");
  }
  return {};
}

Index FirstOf(const Restored& restored) {
  if (!restored.older_terms.empty()) return restored.older_terms[0].first;
  return restored.entries.empty() ? Index{} : restored.entries[0].index;
}

/// Puts [after the base, first entry in memory) on record, run by run.
void RestoreOlder(const Restored& restored, LogView* log) {
  for (std::size_t i = 0; i < restored.older_terms.size(); ++i) {
    const Index end = i + 1 < restored.older_terms.size() ? restored.older_terms[i + 1].first
                                                          : restored.entries[0].index;
    const Index last = log->last().index;
    if (end > last + 1) log->AppendOlder(restored.older_terms[i].term, end - (last + 1));
  }
}

}  // namespace

Answer Validate(const Restored& restored) {
  if (Answer answer = Validate(restored.snapshot.configuration); !answer.ok()) return answer;
  if (Answer answer = ValidateLog(restored); !answer.ok()) return answer;
  if (Answer answer = ValidateOlder(restored); !answer.ok()) return answer;
  if (restored.snapshot.last.term > restored.hard_state.term) {
    return Refuse(Outcome::kInvalid, "the snapshot is of a later term than the hard state");
  }
  if (FirstOf(restored) > restored.snapshot.last.index + 1) {
    return Refuse(Outcome::kInvalid, "the log begins at " +
                                         std::to_string(FirstOf(restored).value) +
                                         ", but the snapshot ends at " +
                                         std::to_string(restored.snapshot.last.index.value));
  }
  return {};
}

Core::State::State(const Config& config, Restored restored)
    : config_(config),
      random_(config.seed),
      hard_state_(restored.hard_state),
      log_(restored.snapshot.last),
      configurations_(restored.snapshot.last.index, restored.snapshot.configuration),
      snapshot_(restored.snapshot),
      durability_(Index{}),
      lease_(config),
      commit_(restored.snapshot.last.index),
      handed_out_(commit_),
      applied_(commit_),
      forwarded_reads_(random_.Next()) {
  TRIREME_CHECK(Validate(config).ok() && Validate(restored).ok());
  RestoreLog(restored);
  durability_ = Durability(log_.last().index);
  if (log_.last().index > Index{}) lease_.Receive(now_);
  ResetElectionTimer();
}

void Core::State::RestoreLog(Restored& restored) {
  if (IsReplacedBySnapshot(restored)) return;
  log_.Reset(BaseOf(restored));
  RestoreOlder(restored, &log_);
  for (const Entry& entry : restored.older_configurations) {
    if (entry.index <= configurations_.active_index()) continue;
    configurations_.Append(entry.index, *DecodeConfiguration(entry.data.view()));
  }
  for (Entry& entry : restored.entries) {
    if (entry.index <= log_.last().index) continue;
    const bool covered = entry.index <= snapshot_.last.index;
    if (covered) {
      log_.Append(std::move(entry));
    } else {
      AppendToLog(std::move(entry));
    }
  }
}

/// Nobody can tell what the lost servers had committed: from here on the survivors' log is the
/// truth. The new term makes sure that no entry of another history has the same position.
Restored Core::UnsafeRecover(Restored restored, NodeId self, std::vector<NodeId> survivors) {
  TRIREME_CHECK(Validate(restored).ok());
  Configuration configuration;
  configuration.voters = std::move(survivors);
  TRIREME_CHECK(Validate(configuration).ok() && IsVoter(configuration, self));
  if (IsReplacedBySnapshot(restored)) {
    restored.entries.clear();
    restored.older_terms.clear();
    restored.older_configurations.clear();
  }
  restored.hard_state = {Next(restored.hard_state.term), self};
  const Index last = std::max(LastOf(restored), restored.snapshot.last.index);
  restored.entries.push_back({last + 1, restored.hard_state.term, EntryKind::kConfiguration,
                              SharedBytes::Own(EncodeConfiguration(configuration))});
  return restored;
}

}  // namespace trireme::raft
