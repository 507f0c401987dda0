#include <algorithm>
#include <string>
#include <utility>

#include "raft/core/state.h"

namespace trireme::raft {

std::optional<SnapshotMeta> Core::State::MetaAt(Index at) const {
  if (at == snapshot_.last.index) return SnapshotMeta{snapshot_.last, snapshot_.configuration, 0};
  if (at < snapshot_.last.index || at > handed_out_) return std::nullopt;
  return SnapshotMeta{{at, *log_.TermAt(at)}, configurations_.At(at), 0};
}

Answer Core::State::Compact(Index at, std::uint64_t size_bytes, Index drop_to) {
  if (at > handed_out_) {
    return Refuse(Outcome::kNotYet, "entry " + std::to_string(at.value) +
                                        " has not been handed out as committed (" +
                                        std::to_string(handed_out_.value) + " has)");
  }
  if (at <= snapshot_.last.index) {
    return Refuse(Outcome::kStale, "there is a snapshot at " +
                                       std::to_string(snapshot_.last.index.value) + " already");
  }
  if (drop_to > at) return Refuse(Outcome::kInvalid, "drop_to is above the snapshot");
  snapshot_ = *MetaAt(at);
  snapshot_.size_bytes = size_bytes;
  if (drop_to > log_.base().index) log_.CompactTo(drop_to);
  configurations_.CompactTo(at);
  return {};
}

namespace {

/// A follower without room is offered the snapshot after an election timeout, then after two,
/// four, ... and at last after so many doublings each time.
constexpr std::uint32_t kRefusalDoublingsMax = 5;

}  // namespace

/// The entry before `next`, by which the follower would check the append, is gone.
bool Core::State::NeedsSnapshot(const Progress& peer) const {
  return peer.next <= log_.base().index;
}

void Core::State::StartSnapshot(Leader& leading, Progress& peer) {
  const auto streams =
      std::count_if(leading.peers.begin(), leading.peers.end(),
                    [](const Progress& other) { return other.sending_snapshot(); });
  if (streams >= config_.snapshot_streams_max || now_ < peer.snapshot_not_before) return;
  peer.BecomeSendSnapshot(SnapshotFor(peer.id));
}

/// One chunk at a time; its answer asks for the next. A chunk that is not answered for an election
/// timeout is sent again, and a follower that is silent so long gives its stream to another.
void Core::State::PumpSnapshot(Leader& leading, Progress& peer) {
  auto& sending = std::get<SendSnapshot>(peer.state);
  if (!sending.wanted) {
    if (now_ - sending.asked_tick < config_.election_ticks) return;
    if (now_ - peer.heard_tick >= config_.election_ticks) {
      peer.BecomeProbe(peer.next);
      peer.state = Probe{true, leading.round};
      return;
    }
  }
  if (config_.snapshot_chunks_per_tick_max > 0 &&
      leading.chunks_this_tick >= config_.snapshot_chunks_per_tick_max) {
    sending.wanted = true;
    return;
  }
  ++leading.chunks_this_tick;
  sending.wanted = false;
  sending.asked_tick = now_;
  if (sending.meta.size_bytes == 0) return SendChunk(leading, peer, {});
  output_.snapshot_reads.push_back(
      {peer.id, sending.meta.last.index, sending.offset, config_.snapshot_chunk_bytes_max});
}

void Core::State::SendChunk(Leader& leading, Progress& peer, SharedBytes data) {
  const auto& sending = std::get<SendSnapshot>(peer.state);
  Send(peer.id,
       SnapshotChunk{term(), leading.round, sending.meta, sending.offset, std::move(data)});
}

void Core::State::SnapshotRead(NodeId peer_id, Index snapshot, std::uint64_t offset,
                               SharedBytes data) {
  Leader* leading = leader();
  Progress* peer = leading == nullptr ? nullptr : leading->Find(peer_id);
  if (peer == nullptr || !peer->sending_snapshot()) return;
  const auto& sending = std::get<SendSnapshot>(peer->state);
  if (snapshot != sending.meta.last.index) {
    // The shell has another one only. If we know of it too, begin anew; otherwise wait for that.
    if (snapshot == snapshot_.last.index) peer->BecomeSendSnapshot(SnapshotFor(peer_id));
    return;
  }
  if (offset != sending.offset || data.empty() || data.size() > sending.meta.size_bytes - offset)
    return;
  SendChunk(*leading, *peer, std::move(data));
}

void Core::State::Receive(NodeId from, SnapshotProgress& message) {
  if (!FromFollower(message.term)) return;
  Progress* peer = Heard(from, message.round);
  if (peer == nullptr || !peer->sending_snapshot()) return;
  auto& sending = std::get<SendSnapshot>(peer->state);
  if (message.snapshot != sending.meta.last.index || message.next_offset >= sending.meta.size_bytes)
    return;
  if (message.next_offset == sending.offset) return;  // the answer to a chunk sent twice
  sending.offset = message.next_offset;
  sending.wanted = true;
}

void Core::State::Receive(NodeId from, SnapshotRefused& message) {
  if (!FromFollower(message.term)) return;
  Progress* peer = Heard(from, message.round);
  if (peer == nullptr || !peer->sending_snapshot()) return;
  if (message.snapshot != std::get<SendSnapshot>(peer->state).meta.last.index) return;
  const std::uint32_t doublings = std::min(peer->snapshot_refusals++, kRefusalDoublingsMax);
  peer->snapshot_not_before = now_ + (std::uint64_t{config_.election_ticks} << doublings);
  peer->BecomeProbe(peer->next);
}

void Core::State::Receive(NodeId from, SnapshotChunk& message) {
  if (!FromLeader(from, message.term)) return;
  if (message.meta.last.index <= commit_) {
    return SendAfter(durability_.AfterLog(commit_), from,
                     AppendAccepted{term(), commit_, message.round});
  }
  auto& incoming = std::get<Follower>(role_).incoming;
  // One snapshot at a time: the chunks of another wait until they are sent again.
  if (output_.persist.snapshot || (incoming && incoming->whole())) return;
  const bool known = incoming && incoming->from == from && incoming->meta == message.meta;
  const std::uint64_t expected = known ? incoming->next_offset : 0;
  if (message.offset != expected) {
    const Token stored = known ? incoming->stored : kNothing;
    return SendSnapshotProgress(from, message, expected, stored);
  }
  StoreChunk(from, message);
}

void Core::State::SendSnapshotProgress(NodeId to, const SnapshotChunk& message,
                                       std::uint64_t next_offset, Token after) {
  SendAfter(after, to,
            SnapshotProgress{term(), message.meta.last.index, next_offset, message.round});
}

void Core::State::StoreChunk(NodeId from, SnapshotChunk& message) {
  auto& incoming = std::get<Follower>(role_).incoming;
  const std::uint64_t next_offset = message.offset + message.data.size();
  const SnapshotMeta meta = message.meta;
  const Token after = durability_.building();
  const std::uint64_t round = message.round;
  incoming = IncomingSnapshot{from, meta, next_offset, after, round};
  if (!incoming->whole()) SendSnapshotProgress(from, message, next_offset, after);
  output_.persist.chunks.push_back(std::move(message));
}

/// Not before: without room for it the follower must still have what it had.
void Core::State::InstallStored(Follower& following) {
  const std::optional<IncomingSnapshot>& incoming = following.incoming;
  if (!incoming || !incoming->whole() || !durability_.IsComplete(incoming->stored)) return;
  const IncomingSnapshot stored = *std::exchange(following.incoming, std::nullopt);
  const Index last = stored.meta.last.index;
  if (last > commit_) Install(stored.meta);
  SendAfter(durability_.AfterLog(last), stored.from, AppendAccepted{term(), last, stored.round});
}

void Core::State::SnapshotNotStored() {
  auto* following = std::get_if<Follower>(&role_);
  if (following == nullptr || !following->incoming) return;
  const IncomingSnapshot refused = *std::exchange(following->incoming, std::nullopt);
  Send(refused.from, SnapshotRefused{term(), refused.meta.last.index, refused.round});
}

/// The log up to the snapshot's last entry makes way; what follows it stays only when the log holds
/// that very entry (thesis, 5.1, figure 5.3).
void Core::State::Install(const SnapshotMeta& meta) {
  const Index index = meta.last.index;
  const bool kept = log_.Holds(meta.last);
  tickets_.ReplaceBy(index, kept, &output_.lost);
  durability_.ReplaceBy(index, kept, commit_);
  if (kept) {
    log_.CompactTo(index);
    configurations_.CompactTo(index);
    if (omitted_first_ <= index) omitted_first_ = Index{};
  } else {
    omitted_first_ = Index{};
    log_.Reset(meta.last);
    configurations_.Reset(index, meta.configuration);
  }
  snapshot_ = meta;
  commit_ = handed_out_ = index;
  being_applied_.clear();
  being_applied_.push_back(index);
  restoring_ = meta;
  restore_after_ = durability_.building();
  output_.persist.snapshot = meta;
  lease_.Receive(now_);
}

}  // namespace trireme::raft
