#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core/state.h"

namespace trireme::raft {

/// A message that only a term's leader sends. False: of a term gone by; its sender learns ours.
bool Core::State::FromLeader(NodeId from, Term message_term) {
  if (message_term < term()) {
    Send(from, HeartbeatResponse{term(), 0});
    return false;
  }
  removed_ = false;
  Follow(message_term, from);
  return true;
}

/// An answer to something we sent. False: it is of another term; a higher one is now ours.
bool Core::State::FromFollower(Term message_term) {
  if (message_term > term()) Follow(message_term, kNobody);
  return message_term == term();
}

void Core::State::Receive(NodeId from, Heartbeat& message) {
  if (!FromLeader(from, message.term)) return;
  CommitTo(message.commit);
  if (message.round != kNoAnswer) Send(from, HeartbeatResponse{term(), message.round});
}

void Core::State::Receive(NodeId from, AppendRequest& message) {
  if (!FromLeader(from, message.term)) return;
  if (message.prev.index < commit_) {  // all of this is known to match
    return SendAfter(durability_.AfterLog(commit_), from,
                     AppendAccepted{term(), commit_, message.round});
  }
  if (!log_.Holds(message.prev)) {
    const LogPosition hint = log_.LastWithin(message.prev);
    return Send(from, AppendRejected{term(), message.prev.index, hint, message.round});
  }
  const Index match = message.prev.index + message.entries.size();
  const Index commit = std::min(message.commit, match);
  const std::uint64_t round = message.round;
  AppendFrom(message);
  CommitTo(commit);
  SendAfter(durability_.AfterLog(match), from, AppendAccepted{term(), match, round});
}

/// Entries that are there already stay, and so does what follows them: the request may be an old
/// one (thesis, 3.5).
void Core::State::AppendFrom(AppendRequest& message) {
  for (Entry& entry : message.entries) {
    if (log_.Holds(PositionOf(entry))) continue;
    if (entry.index <= log_.last().index) TruncateFrom(entry.index);
    AppendToLog(std::move(entry));
    lease_.Receive(now_);
  }
}

void Core::State::TruncateFrom(Index from) {
  TRIREME_CHECK(from > commit_);
  tickets_.Truncate({from, *log_.TermAt(from)});
  log_.TruncateFrom(from);
  configurations_.TruncateFrom(from);
  durability_.TruncateFrom(from);
  if (from <= omitted_first_) omitted_first_ = Index{};
}

void Core::State::AppendToLog(Entry entry) {
  if (entry.kind == EntryKind::kConfiguration) {
    configurations_.Append(entry.index, *DecodeConfiguration(entry.data.view()));
  }
  if (entry.kind == EntryKind::kOmitted && omitted_first_ == Index{}) {
    omitted_first_ = entry.index;
  }
  log_.Append(std::move(entry));
}

}  // namespace trireme::raft
