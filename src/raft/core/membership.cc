#include <algorithm>
#include <string>
#include <utility>

#include "raft/core/state.h"

namespace trireme::raft {

/// Gives every member but this server a place in the table. Newcomers are probed from the end of
/// the log, and count as just heard of.
void Core::State::AdjustPeers(Leader& leading) {
  std::vector<Progress> peers;
  for (const NodeId node : Members(active())) {
    if (node == self()) continue;
    if (Progress* known = leading.Find(node); known != nullptr) {
      peers.push_back(std::move(*known));
      continue;
    }
    Progress& fresh = peers.emplace_back();
    fresh.id = node;
    fresh.next = log_.last().index + 1;
    fresh.heard_tick = now_;
  }
  leading.peers = std::move(peers);
}

LogPosition Core::State::AppendConfiguration(const Configuration& configuration) {
  const LogPosition position =
      AppendOwn(EntryKind::kConfiguration, SharedBytes::Own(EncodeConfiguration(configuration)));
  AdjustPeers(*leader());
  return position;
}

/// A server that votes before it holds the log would be a hole in the quorum (thesis, 4.2.1).
Answer Core::State::CheckCaughtUp(const Leader& leading, const Configuration& target) const {
  for (const NodeId voter : target.voters) {
    if (voter == self() || IsVoter(active(), voter)) continue;
    const Progress* peer = leading.Find(voter);
    const std::uint64_t lag = log_.last().index - (peer == nullptr ? Index{} : peer->match);
    if (lag > config_.promotion_lag_max) {
      return Refuse(Outcome::kNotYet,
                    "server " + std::to_string(voter.value) + " lacks " + std::to_string(lag) +
                        " entries; let it catch up as a learner to promotion_lag_max (" +
                        std::to_string(config_.promotion_lag_max) + ") first");
    }
  }
  return {};
}

Proposed Core::State::ChangeMembership(Ticket ticket, const Configuration& target) {
  if (Answer answer = MayPropose(0); !answer.ok()) return {std::move(answer), {}};
  if (!HasCommittedInTerm() || configurations_.active_index() > commit_ || active().joint()) {
    return {Refuse(Outcome::kBusy,
                   "another change of membership, or this leader's first entry, "
                   "is not committed yet"),
            {}};
  }
  if (Answer answer = ValidateChange(active(), target); !answer.ok()) {
    return {std::move(answer), {}};
  }
  if (target == active()) return {Refuse(Outcome::kStale, "this is the configuration"), {}};
  if (Answer answer = CheckCaughtUp(*leader(), target); !answer.ok()) {
    return {std::move(answer), {}};
  }
  const bool same_voters = target.voters == active().voters;
  const LogPosition position =
      AppendConfiguration(same_voters ? target : EnterJoint(active(), target));
  if (ticket != Ticket{}) tickets_.Add(position, ticket);
  return {{}, position};
}

/// Once C_old,new has committed the leader appends C_new; once C_new has committed a leader that is
/// not in it steps down (thesis, 4.3 and 4.2.2).
void Core::State::AdvanceMembership(Leader& leading) {
  if (configurations_.active_index() > commit_) return;
  if (active().joint()) {
    AppendConfiguration(LeaveJoint(active()));
  } else if (!IsVoter(active(), self())) {
    leading.leaving = true;
  }
}

Answer Core::State::Transfer(NodeId to) {
  Leader* leading = leader();
  if (leading == nullptr) return Refuse(Outcome::kNotLeader, "this server does not lead");
  if (to == kNobody) to = BestSuccessor(*leading);
  if (to == self()) return Refuse(Outcome::kStale, "this server leads already");
  if (to == kNobody || !IsVoter(active(), to) || IsWitness(active(), to)) {
    return Refuse(Outcome::kInvalid, "server " + std::to_string(to.value) + " cannot lead");
  }
  if (leading->transfer) return Refuse(Outcome::kBusy, "leadership is being handed over");
  leading->transfer = LeadershipTransfer{to, now_ + config_.election_ticks};
  return {};
}

/// Nothing is proposed meanwhile, so a successor that holds the whole log is up to date for good.
void Core::State::AdvanceTransfer(Leader& leading) {
  if (!leading.transfer || leading.transfer->told) return;
  const Progress* peer = leading.Find(leading.transfer->to);
  if (peer == nullptr || peer->match != log_.last().index) return;
  leading.transfer->told = true;
  Send(peer->id, TimeoutNow{term()});
}

/// The voter that lacks least; of several the one with the lowest id.
NodeId Core::State::BestSuccessor(const Leader& leading) const {
  const Progress* best = nullptr;
  for (const Progress& peer : leading.peers) {
    if (!IsVoter(active(), peer.id) || IsWitness(active(), peer.id)) continue;
    if (best == nullptr || peer.match > best->match) best = &peer;
  }
  return best == nullptr ? kNobody : best->id;
}

/// The followers have just been told that C_new is committed; one of them need not wait.
void Core::State::Resign(Leader& leading) {
  if (const NodeId successor = BestSuccessor(leading); successor != kNobody) {
    Send(successor, TimeoutNow{term()});
  }
  Follow(term(), kNobody);
}

}  // namespace trireme::raft
