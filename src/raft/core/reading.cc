#include <string>
#include <utility>

#include "raft/core/quorum.h"
#include "raft/core/state.h"

namespace trireme::raft {

std::size_t Core::State::WaitingReads() const {
  const Leader* leading = leader();
  return granted_reads_.size() + forwarded_reads_.size() +
         (leading == nullptr ? 0 : leading->reads.size());
}

Answer Core::State::Read(Ticket ticket) {
  if (LacksData()) {
    return Refuse(Outcome::kInvalid, "a witness has no state to read");
  }
  if (WaitingReads() >= config_.reads_max) {
    return Refuse(Outcome::kBusy,
                  "reads_max (" + std::to_string(config_.reads_max) + ") reads are waiting");
  }
  if (Leader* leading = leader(); leading != nullptr) {
    leading->reads.AddOwn(ticket);
    return {};
  }
  if (leader_ == kNobody) {
    return Refuse(Outcome::kNotLeader,
                  removed_ ? "this server has been removed" : "no leader is known");
  }
  forwarded_reads_.Add(ticket);
  return {};
}

void Core::State::Receive(NodeId from, ReadIndexRequest& message) {
  if (!FromFollower(message.term) || Heard(from, 0) == nullptr) return;
  if (WaitingReads() >= config_.reads_max) return;  // its sender gives it up
  leader()->reads.AddRemote({from, message.context});
}

void Core::State::Receive(NodeId from, ReadIndexResponse& message) {
  if (message.term != term() || from != leader_) return;
  forwarded_reads_.Answer(message.context, message.index, &granted_reads_);
}

/// All reads that wait now are served at the commit index of now, if this server still leads: by
/// the lease or by a round of heartbeats. Before an entry of its term has committed, a leader does
/// not know how far its predecessors' commits went (thesis, 6.4).
void Core::State::FlushReads(Leader& leading) {
  if (!leading.reads.has_open() || !HasCommittedInTerm()) return;
  if (lease_.MayRead(now_)) {
    leading.read_by_lease = true;
    ReadBatch batch = leading.reads.TakeOpen();
    batch.index = commit_;
    return GrantBatch(batch);
  }
  StartRound(leading);
  leading.reads.Begin(commit_, leading.round);
  ConfirmReads(leading);
}

void Core::State::ConfirmReads(Leader& leading) {
  const std::uint64_t confirmed = QuorumValue(active(), [&](NodeId voter) {
    const Progress* peer = leading.Find(voter);
    return peer == nullptr ? leading.round : peer->round_acked;
  });
  ReadBatch batch;
  while (leading.reads.TakeConfirmed(confirmed, &batch)) GrantBatch(batch);
}

void Core::State::GrantBatch(const ReadBatch& batch) {
  for (const Ticket ticket : batch.own) granted_reads_.Add(ticket, batch.index);
  for (const RemoteRead& read : batch.remote) {
    Send(read.from, ReadIndexResponse{term(), read.context, batch.index});
  }
}

void Core::State::FlushForwardedReads() {
  if (!forwarded_reads_.has_open() || leader_ == kNobody) return;
  Send(leader_, ReadIndexRequest{term(), forwarded_reads_.Send(now_)});
}

}  // namespace trireme::raft
