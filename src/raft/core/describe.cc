#include "raft/core/describe.h"

namespace trireme::raft {

namespace {

std::string Text(std::uint64_t number) {
  return std::to_string(number);
}

std::string List(const char* name, const std::vector<NodeId>& nodes) {
  if (nodes.empty()) return "";
  std::string text = std::string(" ") + name;
  for (const NodeId node : nodes) text += " " + Text(node.value);
  return text;
}

std::string Body(const PreVoteRequest& m) {
  return "pre-vote? log ends at " + Describe(m.last);
}
std::string Body(const PreVoteResponse& m) {
  return m.granted ? "pre-vote: yes" : "pre-vote: no";
}
std::string Body(const VoteRequest& m) {
  return std::string("vote? log ends at ") + Describe(m.last) + (m.transfer ? ", transfer" : "");
}
std::string Body(const VoteResponse& m) {
  return m.granted ? "vote: yes" : "vote: no";
}
std::string Body(const AppendRequest& m) {
  return "append after " + Describe(m.prev) + ":" +
         (m.entries.empty() ? " nothing" : Describe(m.entries)) + ", commit " +
         Text(m.commit.value);
}
std::string Body(const AppendAccepted& m) {
  return "accepted up to " + Text(m.match.value);
}
std::string Body(const AppendRejected& m) {
  return "rejected after " + Text(m.rejected.value) + ", try " + Describe(m.hint);
}
std::string Body(const Heartbeat& m) {
  return "heartbeat " + Text(m.round) + ", commit " + Text(m.commit.value);
}
std::string Body(const HeartbeatResponse& m) {
  return "heard " + Text(m.round);
}
std::string Body(const SnapshotChunk& m) {
  return "snapshot at " + Describe(m.meta.last) + ", bytes " + Text(m.offset) + "-" +
         Text(m.offset + m.data.size()) + " of " + Text(m.meta.size_bytes);
}
std::string Body(const SnapshotProgress& m) {
  return "snapshot at " + Text(m.snapshot.value) + ", go on at byte " + Text(m.next_offset);
}
std::string Body(const ReadIndexRequest&) {
  return "read index?";
}
std::string Body(const ReadIndexResponse& m) {
  return "read index: " + Text(m.index.value);
}
std::string Body(const TimeoutNow&) {
  return "time out now";
}
std::string Body(const Removed& m) {
  return "you were removed at " + Text(m.configuration.value);
}
std::string Body(const SnapshotRefused& m) {
  return "no room for the snapshot at " + Text(m.snapshot.value);
}

}  // namespace

const char* Name(RoleName role) {
  constexpr const char* kNames[] = {"follower", "pre-candidate", "candidate", "leader"};
  return kNames[static_cast<std::size_t>(role)];
}

const char* Name(LostKind kind) {
  constexpr const char* kNames[] = {"replaced", "abandoned", "unknown"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string Describe(LogPosition position) {
  return Text(position.index.value) + "/" + Text(position.term.value);
}

/// Runs of one term are one word: " 4-6/2 7/3".
std::string Describe(const std::vector<Entry>& entries) {
  std::string text;
  for (std::size_t i = 0; i < entries.size();) {
    std::size_t end = i + 1;
    while (end < entries.size() && entries[end].term == entries[i].term) ++end;
    text += " " + Text(entries[i].index.value);
    if (end > i + 1) text += "-" + Text(entries[end - 1].index.value);
    text += "/" + Text(entries[i].term.value);
    i = end;
  }
  return text;
}

std::string Describe(const Configuration& configuration) {
  const Configuration::Goal& goal = configuration.goal;
  return List("voters", configuration.voters) + List("outgoing", configuration.outgoing) +
         List("learners", configuration.learners) + List("witnesses", configuration.witnesses) +
         List("then voters", goal.voters) + List("learners", goal.learners) +
         List("witnesses", goal.witnesses);
}

std::string Describe(const Message& message) {
  return std::visit(
      [](const auto& body) { return "term " + Text(body.term.value) + " " + Body(body); }, message);
}

std::string Describe(const Persist& persist) {
  std::string text;
  if (persist.hard_state) {
    text += " term " + Text(persist.hard_state->term.value) + " vote " +
            Text(persist.hard_state->vote.value);
  }
  for (const SnapshotChunk& chunk : persist.chunks) {
    text += " snapshot bytes " + Text(chunk.offset) + "-" + Text(chunk.offset + chunk.data.size());
  }
  if (persist.snapshot) text += " snapshot " + Describe(persist.snapshot->last);
  if (!persist.entries.empty()) text += " log" + Describe(persist.entries);
  return text;
}

}  // namespace trireme::raft
