#include <variant>

#include "raft/c_abi/handle.h"
#include "raft/core/codec.h"

namespace trireme::raft::c_abi {

namespace {

tr_raft_slice SliceOf(std::string_view bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

tr_raft_entry EntryOf(const Entry& entry) {
  const std::uint32_t kind =
      entry.kind == EntryKind::kCommand ? TR_RAFT_ENTRY_COMMAND : TR_RAFT_ENTRY_INTERNAL;
  return {entry.index.value, entry.term.value, 0, kind, SliceOf(entry.data.view())};
}

template <typename... M>
bool IsOneOf(const Message& message) {
  return (std::holds_alternative<M>(message) || ...);
}

std::uint32_t FlagsOf(const Message& message) {
  if (IsOneOf<PreVoteResponse, VoteResponse, AppendAccepted, AppendRejected, HeartbeatResponse,
              SnapshotProgress, SnapshotRefused, ReadIndexResponse>(message)) {
    return TR_RAFT_MSG_RESPONSE;
  }
  if (IsOneOf<SnapshotChunk>(message)) return TR_RAFT_MSG_SNAPSHOT;
  return IsOneOf<Heartbeat>(message) ? TR_RAFT_MSG_HEARTBEAT : 0;
}

}  // namespace

void ReadyBatch::Build(const Output& output, const SnapshotStore& snapshots, Token durable,
                       tr_raft_ready* ready) {
  const Persist& persist = output.persist;
  *ready = {};
  if (persist.hard_state) {
    const NodeId vote = persist.hard_state->vote;
    ready->has_hard_state = 1;
    ready->hard_state = {persist.hard_state->term.value,
                         vote == kNobody ? -1 : static_cast<std::int64_t>(PeerOf(vote))};
  }
  if (persist.snapshot) {
    const LogPosition last = persist.snapshot->last;
    ready->has_snapshot = 1;
    ready->snapshot = {last.index.value, last.term.value, SliceOf(snapshots.bytes().view())};
  }
  entries_.clear();
  for (const Entry& entry : persist.entries) entries_.push_back(EntryOf(entry));
  AddCommitted(output.committed);
  AddMessages(output, durable);
  AddLost(output);
  ready->entries = entries_.data();
  ready->n_entries = entries_.size();
  ready->committed = committed_.data();
  ready->n_committed = committed_.size();
  ready->messages = messages_.data();
  ready->n_messages = messages_.size();
  ready->lost = lost_.data();
  ready->n_lost = lost_.size();
}

void ReadyBatch::AddCommitted(const Committed& committed) {
  committed_.clear();
  for (const Entry& entry : committed.entries) committed_.push_back(EntryOf(entry));
  for (const Committed::Mine& mine : committed.mine) {
    committed_[mine.index - committed.first].ticket = mine.ticket.value;
  }
}

void ReadyBatch::AddMessages(const Output& output, Token durable) {
  encoded_.clear();
  messages_.clear();
  for (const Outgoing& out : output.messages) encoded_.push_back(EncodeMessage(out.message));
  for (std::size_t i = 0; i < encoded_.size(); ++i) {
    const Outgoing& out = output.messages[i];
    const std::uint32_t early = out.after <= durable ? TR_RAFT_MSG_EARLY : 0;
    messages_.push_back({PeerOf(out.to), FlagsOf(out.message) | early, SliceOf(encoded_[i])});
  }
}

/// An abandoned proposal cannot take effect either, but nothing has committed at its index yet: the
/// interface promises that of what it calls certain.
void ReadyBatch::AddLost(const Output& output) {
  lost_.clear();
  for (const Lost& lost : output.lost) {
    lost_.push_back({lost.ticket.value, lost.kind == LostKind::kReplaced ? 1u : 0u});
  }
}

}  // namespace trireme::raft::c_abi
