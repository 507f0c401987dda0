#include <algorithm>
#include <utility>

#include "raft/core/state.h"

namespace trireme::raft {

/// A sign of life from a peer; nullptr when it is not ours to lead.
Progress* Core::State::Heard(NodeId from, std::uint64_t round) {
  Leader* leading = leader();
  Progress* peer = leading == nullptr ? nullptr : leading->Find(from);
  if (peer == nullptr) return nullptr;
  peer->heard_tick = now_;
  if (round > peer->round_acked && round <= leading->round) {
    peer->round_acked = round;
    ConfirmReads(*leading);
  }
  return peer;
}

void Core::State::Receive(NodeId from, AppendAccepted& message) {
  if (!FromFollower(message.term)) return;
  Progress* peer = Heard(from, message.round);
  if (peer == nullptr || !peer->Accept(message.match)) return;
  peer->level_until = now_ + config_.election_ticks;
  if (peer->sending_snapshot() && !NeedsSnapshot(*peer)) peer->BecomeReplicate();
  MaybeCommit();
}

void Core::State::Receive(NodeId from, AppendRejected& message) {
  if (!FromFollower(message.term)) return;
  Progress* peer = Heard(from, message.round);
  if (peer == nullptr) return;
  peer->Reject(message.rejected, log_.LastWithin(message.hint).index);
}

void Core::State::Receive(NodeId from, HeartbeatResponse& message) {
  if (!FromFollower(message.term)) return;
  Progress* peer = Heard(from, message.round);
  if (peer == nullptr) return;
  auto* probe = std::get_if<Probe>(&peer->state);
  if (probe != nullptr && message.round > probe->round) probe->sent = false;
}

void Core::State::Unreachable(NodeId peer_id) {
  Leader* leading = leader();
  Progress* peer = leading == nullptr ? nullptr : leading->Find(peer_id);
  if (peer == nullptr || !peer->replicating()) return;
  peer->BecomeProbe(peer->match + 1);
  peer->state = Probe{true, leading->round};  // until it answers a heartbeat
}

void Core::State::StartRound(Leader& leading) {
  ++leading.round;
  leading.ticks_since_heartbeat = 0;
  for (Progress& peer : leading.peers) peer.heartbeat_due = true;
}

/// A pipeline that has not moved for a heartbeat may have lost its tail; with nothing new to send,
/// nobody would notice. Entries that could not be read back are asked for again.
void Core::State::NoticeLostTails(Leader& leading) {
  leading.ticks_since_tail_check = 0;
  for (Progress& peer : leading.peers) {
    peer.tail_check_due =
        peer.replicating() && !peer.inflight.empty() && peer.match == peer.match_at_heartbeat;
    peer.match_at_heartbeat = peer.match;
    if (std::exchange(peer.log_read_failed, false)) peer.log_read_pending = false;
  }
}

/// Builds what followers are to be sent: as much as their windows and the limits allow.
void Core::State::Flush(Leader& leading) {
  AdvanceCatchUp(leading);
  FlushReads(leading);
  for (Progress& peer : leading.peers) FlushPeer(leading, peer);
  AdvanceTransfer(leading);
  if (leading.leaving) Resign(leading);
}

void Core::State::FlushPeer(Leader& leading, Progress& peer) {
  SendAppends(leading, peer);
  if (peer.sending_snapshot()) PumpSnapshot(leading, peer);
  const bool knows_commit = peer.commit_sent >= std::min(commit_, peer.match);
  if (std::exchange(peer.heartbeat_due, false)) {
    SendHeartbeat(peer, leading.round);
  } else if (!knows_commit) {
    SendHeartbeat(peer, kNoAnswer);
  }
}

void Core::State::SendAppends(Leader& leading, Progress& peer) {
  if (const auto* probe = std::get_if<Probe>(&peer.state)) {
    if (!probe->sent) SendNextAppend(leading, peer);
    return;
  }
  while (peer.replicating() && peer.next <= LastFor(leading, peer) &&
         !peer.inflight.Full(config_.inflight_appends_max, config_.inflight_bytes_max)) {
    if (!SendNextAppend(leading, peer)) return;
  }
  if (peer.replicating() && peer.tail_check_due) SendTailCheck(leading, peer);
}

Index Core::State::LastFor(const Leader& leading, const Progress& peer) const {
  if (active().witnesses.empty() || !IsWitness(active(), peer.id)) return log_.last().index;
  return LastForWitness(leading);
}

/// False: the entries must come from elsewhere first.
bool Core::State::SendNextAppend(Leader& leading, Progress& peer) {
  if (NeedsSnapshot(peer)) {
    StartSnapshot(leading, peer);
    return false;
  }
  const Index last = LastFor(leading, peer);
  if (peer.next <= last && peer.next < log_.memory_first()) {
    AskLog(peer);
    return false;
  }
  std::vector<Entry> entries;
  std::uint64_t bytes = 0;
  if (peer.next <= last) {
    bytes = log_.CopyTo(&entries, peer.next, last, config_.append_bytes_max,
                        config_.append_entries_max);
  }
  SendAppend(leading, peer, std::move(entries), bytes);
  return true;
}

void Core::State::SendAppend(Leader& leading, Progress& peer, std::vector<Entry> entries,
                             std::uint64_t bytes) {
  OmitForWitness(peer, &entries);
  const Index prev = peer.next - 1;
  const Index last = prev + entries.size();
  peer.commit_sent = std::max(peer.commit_sent, std::min(commit_, last));
  Send(peer.id,
       AppendRequest{
           term(), {prev, *log_.TermAt(prev)}, commit_, leading.round, std::move(entries)});
  peer.Sent(last, bytes, leading.round);
}

void Core::State::SendTailCheck(Leader& leading, Progress& peer) {
  if (NeedsSnapshot(peer)) return StartSnapshot(leading, peer);
  peer.tail_check_due = false;
  const Index prev = peer.next - 1;
  Send(peer.id, AppendRequest{term(), {prev, *log_.TermAt(prev)}, commit_, leading.round, {}});
}

void Core::State::SendHeartbeat(Progress& peer, std::uint64_t round) {
  peer.commit_sent = std::min(commit_, peer.match);
  Send(peer.id, Heartbeat{term(), peer.commit_sent, round});
}

void Core::State::AskLog(Progress& peer) {
  if (peer.log_read_pending) return;
  peer.log_read_pending = true;
  output_.log_reads.push_back(
      {peer.id, peer.next, log_.memory_first() - 1, config_.append_bytes_max});
}

/// An answer that is of no use is not asked for again at once: the shell would give the same.
void Core::State::LogRead(NodeId peer_id, std::vector<Entry> entries) {
  Leader* leading = leader();
  Progress* peer = leading == nullptr ? nullptr : leading->Find(peer_id);
  if (peer == nullptr || !peer->log_read_pending) return;
  std::uint64_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.data.size();
  if (entries.empty() || !std::all_of(entries.begin(), entries.end(), [this](const Entry& entry) {
        return log_.Holds(PositionOf(entry));
      })) {
    peer->log_read_failed = true;
    return;
  }
  peer->log_read_pending = false;
  if (entries.front().index != peer->next || NeedsSnapshot(*peer)) return;
  SendAppend(*leading, *peer, std::move(entries), bytes);
}

}  // namespace trireme::raft
