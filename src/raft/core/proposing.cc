#include <algorithm>
#include <string>
#include <utility>

#include "raft/core/quorum.h"
#include "raft/core/state.h"

namespace trireme::raft {

Answer Core::State::MayPropose(std::size_t bytes) const {
  const Leader* leading = leader();
  if (leading == nullptr || leading->leaving) {
    return Refuse(Outcome::kNotLeader, "this server does not lead");
  }
  if (bytes > config_.proposal_bytes_max) {
    return Refuse(Outcome::kInvalid, "a proposal of " + std::to_string(bytes) +
                                         " bytes is over proposal_bytes_max (" +
                                         std::to_string(config_.proposal_bytes_max) + ")");
  }
  if (leading->transfer) return Refuse(Outcome::kBusy, "leadership is being handed over");
  if (leading->uncommitted_bytes > 0 &&
      leading->uncommitted_bytes + bytes > config_.uncommitted_bytes_max) {
    return Refuse(Outcome::kBusy, "uncommitted proposals hold uncommitted_bytes_max (" +
                                      std::to_string(config_.uncommitted_bytes_max) +
                                      " bytes); wait until some commit");
  }
  return {};
}

Proposed Core::State::Propose(Ticket ticket, SharedBytes data) {
  if (Answer answer = MayPropose(data.size()); !answer.ok()) return {std::move(answer), {}};
  const LogPosition position = AppendOwn(EntryKind::kCommand, std::move(data));
  if (ticket != Ticket{}) tickets_.Add(position, ticket);
  return {{}, position};
}

/// The leader's own copy is written while the followers write theirs: it counts for the quorum when
/// it is durable (thesis, 10.2.1).
LogPosition Core::State::AppendOwn(EntryKind kind, SharedBytes data) {
  leader()->uncommitted_bytes += data.size();
  const LogPosition position{log_.last().index + 1, term()};
  AppendToLog({position.index, position.term, kind, std::move(data)});
  lease_.Append(now_, position.index);
  return position;
}

/// "Only log entries from the leader's current term are committed by counting replicas" (thesis,
/// 3.6.2, figure 3.7); older ones are then committed with them.
void Core::State::MaybeCommit() {
  const Leader& leading = *leader();
  const Index agreed{QuorumValue(active(), [&](NodeId voter) {
    const Progress* peer = leading.Find(voter);
    return (peer == nullptr ? durability_.durable() : peer->match).value;
  })};
  if (agreed <= commit_ || log_.TermAt(agreed) != term() || !lease_.MayCommit(now_)) return;
  CommitTo(agreed);
}

void Core::State::CommitTo(Index index) {
  if (index <= commit_) return;
  const Index before = std::exchange(commit_, index);
  if (Leader* leading = leader(); leading != nullptr) CommittedAsLeader(*leading, before);
}

void Core::State::CommittedAsLeader(Leader& leading, Index before) {
  lease_.Commit(commit_);
  for (Index i = std::max(before + 1, log_.memory_first()); i <= commit_; ++i) {
    if (log_.At(i).term == term()) leading.uncommitted_bytes -= log_.At(i).data.size();
  }
  if (configurations_.active_index() > before && configurations_.active_index() <= commit_) {
    TellThoseRemoved();
  }
  AdvanceMembership(leading);
}

bool Core::State::HasCommittedInTerm() const {
  return log_.TermAt(commit_) == term();
}

}  // namespace trireme::raft
