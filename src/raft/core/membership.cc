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

/// What a caller that looks after its learners itself is held to.
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

Answer Core::State::MayChange(const Leader& leading, const Configuration& target) const {
  if (leading.change || active().waits()) {
    return Refuse(Outcome::kBusy, "another change of membership waits for its new voters");
  }
  if (!HasCommittedInTerm() || configurations_.active_index() > commit_ || active().joint()) {
    return Refuse(Outcome::kBusy,
                  "another change of membership, or this leader's first entry, is not committed "
                  "yet");
  }
  if (target == active()) return Refuse(Outcome::kStale, "this is the configuration");
  return ValidateChange(active(), target);
}

Proposed Core::State::ChangeMembership(Ticket ticket, const Configuration& target,
                                       Newcomers newcomers) {
  if (Answer answer = MayPropose(0); !answer.ok()) return {std::move(answer), {}};
  Leader& leading = *leader();
  if (Answer answer = MayChange(leading, target); !answer.ok()) return {std::move(answer), {}};
  if (newcomers == Newcomers::kAreCaughtUp) {
    if (Answer answer = CheckCaughtUp(leading, target); !answer.ok()) {
      return {std::move(answer), {}};
    }
  } else if (const auto lagging = NewcomersOf(leading, target); !lagging.empty()) {
    BeginCatchUp(leading, ticket, target, lagging);
    return {};
  }
  return {{}, Adopt(ticket, target)};
}

/// One entry when the voters stay who they are, otherwise two (thesis, 4.3).
LogPosition Core::State::Adopt(Ticket ticket, const Configuration& target) {
  const bool same_voters = target.voters == active().voters;
  const LogPosition position =
      AppendConfiguration(same_voters ? target : EnterJoint(active(), target));
  if (ticket != Ticket{}) tickets_.Add(position, ticket);
  return position;
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

/// The active configuration has just committed. Whoever was in the one before and is not in this
/// one hears no more of the log, not even that it is out.
void Core::State::TellThoseRemoved() {
  const Index since = configurations_.active_index();
  for (const NodeId node : Members(configurations_.At(since - 1))) {
    if (node != self()) TellRemoved(node);
  }
}

/// False: it is a member, or may be one for all that is committed here.
bool Core::State::TellRemoved(NodeId to) {
  const Index since = configurations_.active_index();
  if (since == Index{} || since > commit_ || IsMember(active(), to)) return false;
  Send(to, Removed{term(), since});
  return true;
}

/// Nobody waits for this server any more, so it stops campaigning. Word of a configuration that is
/// older than ours is out of date; if this server is to be a member again, a leader will call.
void Core::State::Receive(NodeId from, Removed& message) {
  if (message.configuration <= configurations_.active_index()) return;
  if (HearsLeader() && from != leader_) return;
  Follow(std::max(term(), message.term), kNobody);
  removed_ = true;
  forwarded_reads_.Fail(&output_.reads);
  tickets_.GiveUp(&output_.lost);
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
  removed_ = !IsMember(active(), self());
}

}  // namespace trireme::raft
