#include <string>
#include <variant>

#include "raft/core/state.h"

/// What no server that runs this protocol would send. Nothing changes before a message has passed.
namespace trireme::raft {

namespace {

/// Far beyond what a cluster reaches, and far from where arithmetic would wrap.
constexpr std::uint64_t kNumberMax = std::uint64_t{1} << 62;

Answer Impossible(const std::string& what) {
  return Refuse(Outcome::kInvalid, "impossible message: " + what);
}

std::string Text(LogPosition position) {
  return "entry " + std::to_string(position.index.value) + " of term " +
         std::to_string(position.term.value);
}

bool IsPosition(LogPosition position, Term within) {
  return position.index.value <= kNumberMax && position.term <= within &&
         (position.index == Index{}) == (position.term == Term{});
}

Answer CheckEntries(const AppendRequest& message) {
  LogPosition before = message.prev;
  for (const Entry& entry : message.entries) {
    if (entry.index != before.index + 1 || entry.term < before.term || entry.term > message.term) {
      return Impossible(Text(PositionOf(entry)) + " behind " + Text(before));
    }
    if (entry.kind == EntryKind::kOmitted && !entry.data.empty()) {
      return Impossible(Text(PositionOf(entry)) + " is said to be without data, and has some");
    }
    if (entry.kind == EntryKind::kConfiguration && !DecodeConfiguration(entry.data.view())) {
      return Impossible(Text(PositionOf(entry)) + " is no valid configuration");
    }
    before = PositionOf(entry);
  }
  return {};
}

}  // namespace

Answer Core::State::Check(NodeId from, const Message& message) const {
  if (from == kNobody || from == self()) {
    return Impossible("its sender is " + std::to_string(from.value));
  }
  return std::visit(
      [&](const auto& body) {
        if (body.term == Term{} || body.term.value > kNumberMax) {
          return Impossible("its term is " + std::to_string(body.term.value));
        }
        return CheckBody(from, body);
      },
      message);
}

Answer Core::State::CheckBody(NodeId, const PreVoteRequest& message) const {
  if (IsPosition(message.last, message.term)) return {};
  return Impossible("a vote request with a log that ends at " + Text(message.last));
}

Answer Core::State::CheckBody(NodeId, const VoteRequest& message) const {
  if (IsPosition(message.last, message.term)) return {};
  return Impossible("a vote request with a log that ends at " + Text(message.last));
}

/// There is one leader at most in a term (thesis, 3.4: election safety).
Answer Core::State::CheckLeader(NodeId from, Term message_term) const {
  if (message_term != term() || leader_ == kNobody || leader_ == from) return {};
  return Impossible("server " + std::to_string(from.value) + " and server " +
                    std::to_string(leader_.value) + " both lead in term " +
                    std::to_string(message_term.value));
}

Answer Core::State::CheckBody(NodeId from, const AppendRequest& message) const {
  if (!IsPosition(message.prev, message.term)) {
    return Impossible("an append behind " + Text(message.prev));
  }
  if (Answer answer = CheckEntries(message); !answer.ok()) return answer;
  if (message.term < term()) return {};
  const std::optional<Term> here = log_.TermAt(message.prev.index);
  if (message.prev.index <= commit_ && here && *here != message.prev.term) {
    return Impossible("an append behind " + Text(message.prev) + " contradicts the committed " +
                      Text({message.prev.index, *here}));
  }
  return CheckLeader(from, message.term);
}

Answer Core::State::CheckBody(NodeId, const AppendAccepted& message) const {
  if (leader() == nullptr || message.term != term() || message.match <= log_.last().index) {
    return {};
  }
  return Impossible("it has accepted entry " + std::to_string(message.match.value) +
                    ", which this leader does not have");
}

Answer Core::State::CheckBody(NodeId from, const Heartbeat& message) const {
  if (message.term < term()) return {};
  if (message.commit > log_.last().index) {
    return Impossible("a commit index of " + std::to_string(message.commit.value) +
                      ", but the log here ends at " + std::to_string(log_.last().index.value) +
                      "; has this server lost entries that it had acknowledged?");
  }
  return CheckLeader(from, message.term);
}

Answer Core::State::CheckBody(NodeId from, const SnapshotChunk& message) const {
  const SnapshotMeta& meta = message.meta;
  if (meta.last.index == Index{} || !IsPosition(meta.last, message.term)) {
    return Impossible("a snapshot at " + Text(meta.last));
  }
  if (message.offset > meta.size_bytes || message.data.size() > meta.size_bytes - message.offset ||
      (message.data.empty() && meta.size_bytes > 0)) {
    return Impossible("a chunk of " + std::to_string(message.data.size()) + " bytes at " +
                      std::to_string(message.offset) + " of a snapshot of " +
                      std::to_string(meta.size_bytes));
  }
  if (Answer answer = Validate(meta.configuration); !answer.ok()) return answer;
  if (message.term < term()) return {};
  return CheckLeader(from, message.term);
}

Answer Core::State::CheckBody(NodeId, const Removed& message) const {
  if (message.configuration > Index{} && message.configuration.value <= kNumberMax) return {};
  return Impossible("a removal at entry " + std::to_string(message.configuration.value));
}

}  // namespace trireme::raft
