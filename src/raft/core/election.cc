#include <utility>

#include "raft/core/quorum.h"
#include "raft/core/state.h"

namespace trireme::raft {

/// A learner, a removed server and who lacks the commands do not lead. But a server "that is not
/// part of its own latest configuration should still start new elections, as it might still be
/// needed until the C_new entry is committed" (thesis, 4.2.2): its log may be the only one that has
/// the entry.
bool Core::State::IsPromotable() const {
  if (removed_ || LacksData()) return false;
  const auto may_lead = [this](const Configuration& configuration) {
    return IsVoter(configuration, self());
  };
  if (may_lead(active())) return true;
  const Index since = configurations_.active_index();
  return since > commit_ && may_lead(configurations_.At(since - 1));
}

/// Who hears a leader holds to it: a server that was removed, or cut off for a while, must not be
/// able to depose a leader that the others are content with (thesis, 4.2.3 and 9.6).
bool Core::State::HearsLeader() const {
  return leader() != nullptr ||
         (leader_ != kNobody && ticks_since_leader_ < config_.election_ticks);
}

void Core::State::SetTerm(Term term, NodeId vote) {
  hard_state_ = {term, vote};
  durability_.ChangeHardState();
}

void Core::State::ResetElectionTimer() {
  ticks_since_leader_ = 0;
  election_timeout_ = config_.election_ticks +
                      static_cast<std::uint32_t>(random_.Below(config_.election_ticks)) +
                      config_.rank * config_.election_ticks / 2;
}

/// Enters `term` (or stays in it) under `leader`. The timer starts anew only when there is word of
/// a leader, or on leaving another role: higher terms alone must not keep a follower from trying.
void Core::State::Follow(Term term, NodeId leader) {
  if (term > hard_state_.term) SetTerm(term, kNobody);
  if (leader != leader_) forwarded_reads_.Fail(&output_.reads);
  leader_ = leader;
  if (std::holds_alternative<Follower>(role_)) {
    if (leader != kNobody) ResetElectionTimer();
    return;
  }
  LeaveRole();
  ResetElectionTimer();
}

void Core::State::LeaveRole() {
  if (Leader* leading = leader(); leading != nullptr) {
    leading->reads.Fail(&output_.reads);
    lease_.Resign(now_);
    if (leading->change && leading->change->ticket != Ticket{}) {
      output_.lost.push_back(
          {leading->change->ticket, LostKind::kUnknown});  // the next leader goes on
    }
  }
  role_.emplace<Follower>();
}

Answer Core::State::Campaign() {
  if (leader() != nullptr) return Refuse(Outcome::kStale, "this server leads already");
  if (!IsPromotable())
    return Refuse(Outcome::kInvalid, "a learner, witness or removed server cannot lead");
  StartElection();
  return {};
}

void Core::State::StartElection() {
  if (config_.pre_vote) {
    BecomePreCandidate();
  } else {
    BecomeCandidate(/*transfer=*/false);
  }
}

void Core::State::BecomePreCandidate() {
  Follow(term(), kNobody);
  ResetElectionTimer();
  role_.emplace<PreCandidate>().votes.Record(self(), true);
  RequestVotes(PreVoteRequest{Next(term()), log_.last()});
  CountPreVotes();
}

void Core::State::BecomeCandidate(bool transfer) {
  Follow(term(), kNobody);
  ResetElectionTimer();
  SetTerm(Next(term()), self());
  role_.emplace<Candidate>().own_vote = durability_.building();
  RequestVotes(VoteRequest{term(), log_.last(), transfer});
}

void Core::State::RequestVotes(const Message& request) {
  for (const NodeId voter : Members(active())) {
    if (voter != self() && IsVoter(active(), voter)) Send(voter, request);
  }
}

void Core::State::CountPreVotes() {
  const Votes& votes = std::get<PreCandidate>(role_).votes;
  switch (QuorumVote(active(), [&](NodeId voter) { return votes.Of(voter); })) {
    case VoteResult::kWon:
      return BecomeCandidate(/*transfer=*/false);
    case VoteResult::kLost:
      return Follow(term(), kNobody);
    case VoteResult::kPending:
      return;
  }
}

void Core::State::CountVotes() {
  const Votes& votes = std::get<Candidate>(role_).votes;
  switch (QuorumVote(active(), [&](NodeId voter) { return votes.Of(voter); })) {
    case VoteResult::kWon:
      return BecomeLeader();
    case VoteResult::kLost:
      return Follow(term(), kNobody);
    case VoteResult::kPending:
      return;
  }
}

void Core::State::BecomeLeader() {
  leader_ = self();
  Leader& leading = role_.emplace<Leader>();
  leading.round = 1;
  AdjustPeers(leading);
  if (config_.leader_noop) AppendOwn(EntryKind::kNoop, {});
}

/// Check-quorum (thesis, 6.2): a leader that cannot reach a quorum makes way, so that its clients
/// look elsewhere.
std::uint64_t Core::State::QuorumLostTick(const Leader& leading) const {
  const std::uint64_t heard = QuorumValue(active(), [&](NodeId voter) {
    const Progress* peer = leading.Find(voter);
    return peer == nullptr ? now_ : peer->heard_tick;
  });
  return heard + config_.election_ticks;
}

void Core::State::CheckQuorumActive(const Leader& leading) {
  if (QuorumLostTick(leading) <= now_) Follow(term(), kNobody);
}

/// Answers in the request's term, so that a poll that succeeds moves nobody's term.
void Core::State::Receive(NodeId from, PreVoteRequest& message) {
  const bool grant =
      message.term > term() && !HearsLeader() && IsAtLeastAsUpToDate(message.last, log_.last());
  if (!grant && TellRemoved(from)) return;
  Send(from, PreVoteResponse{grant ? message.term : term(), grant});
}

void Core::State::Receive(NodeId from, PreVoteResponse& message) {
  if (!message.granted && message.term > term()) return Follow(message.term, kNobody);
  auto* polling = std::get_if<PreCandidate>(&role_);
  if (polling == nullptr || (message.granted && message.term != Next(term()))) return;
  if (!message.granted && message.term < term()) return;
  polling->votes.Record(from, message.granted);
  CountPreVotes();
}

void Core::State::Receive(NodeId from, VoteRequest& message) {
  if (message.term > term()) {
    if (config_.check_quorum && !message.transfer && HearsLeader()) {
      TellRemoved(from);
      return;
    }
    Follow(message.term, kNobody);
  }
  const bool free = hard_state_.vote == kNobody && leader_ == kNobody;
  const bool grant = message.term == term() && (free || hard_state_.vote == from) &&
                     IsAtLeastAsUpToDate(message.last, log_.last());
  if (grant) Support(from);
  if (!grant && TellRemoved(from)) return;
  Send(from, VoteResponse{term(), grant});
}

void Core::State::Support(NodeId candidate) {
  Follow(term(), kNobody);
  ResetElectionTimer();
  if (hard_state_.vote != candidate) SetTerm(term(), candidate);
}

void Core::State::Receive(NodeId from, VoteResponse& message) {
  if (!FromFollower(message.term)) return;
  auto* standing = std::get_if<Candidate>(&role_);
  if (standing == nullptr) return;
  standing->votes.Record(from, message.granted);
  CountVotes();
}

/// The leader has found our log complete: no poll, and voters need not hold to it (thesis, 3.10).
void Core::State::Receive(NodeId from, TimeoutNow& message) {
  if (message.term != term() || from != leader_ || !IsPromotable()) return;
  BecomeCandidate(/*transfer=*/true);
}

}  // namespace trireme::raft
