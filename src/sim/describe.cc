#include "sim/describe.h"

#include <variant>
#include <vector>

#include "fmt/format.h"

namespace trireme::sim {
namespace {

std::string List(const std::vector<raft::NodeId>& nodes) {
  std::string text;
  for (const raft::NodeId node : nodes) {
    text += fmt::format("{}{}", text.empty() ? "" : " ", node.value);
  }
  return text;
}

struct Words {
  std::string operator()(const raft::PreVoteRequest& m) const {
    return fmt::format("pre-vote? t{} last {}", m.term.value, Describe(m.last));
  }
  std::string operator()(const raft::PreVoteResponse& m) const {
    return fmt::format("pre-vote {} t{}", m.granted ? "yes" : "no", m.term.value);
  }
  std::string operator()(const raft::VoteRequest& m) const {
    return fmt::format("vote? t{} last {}{}", m.term.value, Describe(m.last),
                       m.transfer ? " transfer" : "");
  }
  std::string operator()(const raft::VoteResponse& m) const {
    return fmt::format("vote {} t{}", m.granted ? "yes" : "no", m.term.value);
  }
  std::string operator()(const raft::AppendRequest& m) const {
    return fmt::format("append t{} after {} +{} commit {} round {}", m.term.value, Describe(m.prev),
                       m.entries.size(), m.commit.value, m.round);
  }
  std::string operator()(const raft::AppendAccepted& m) const {
    return fmt::format("accepted t{} match {} round {}", m.term.value, m.match.value, m.round);
  }
  std::string operator()(const raft::AppendRejected& m) const {
    return fmt::format("rejected t{} {} hint {}", m.term.value, m.rejected.value, Describe(m.hint));
  }
  std::string operator()(const raft::Heartbeat& m) const {
    return fmt::format("heartbeat t{} commit {} round {}", m.term.value, m.commit.value, m.round);
  }
  std::string operator()(const raft::HeartbeatResponse& m) const {
    return fmt::format("alive t{} round {}", m.term.value, m.round);
  }
  std::string operator()(const raft::SnapshotChunk& m) const {
    return fmt::format("snapshot t{} of {} bytes {}+{} of {}", m.term.value, Describe(m.meta.last),
                       m.offset, m.data.size(), m.meta.size_bytes);
  }
  std::string operator()(const raft::SnapshotProgress& m) const {
    return fmt::format("snapshot of {} wants {}", m.snapshot.value, m.next_offset);
  }
  std::string operator()(const raft::ReadIndexRequest& m) const {
    return fmt::format("read-index? t{}", m.term.value);
  }
  std::string operator()(const raft::ReadIndexResponse& m) const {
    return fmt::format("read-index t{} {}", m.term.value, m.index.value);
  }
  std::string operator()(const raft::TimeoutNow& m) const {
    return fmt::format("timeout-now t{}", m.term.value);
  }
  std::string operator()(const raft::Removed& m) const {
    return fmt::format("removed t{}", m.term.value);
  }
};

struct PayloadWords {
  std::string operator()(const raft::Message& message) const { return Describe(message); }
  std::string operator()(const Request& request) const {
    return fmt::format("asks {}{}", Text(request.command), request.through_log ? "" : " (read)");
  }
  std::string operator()(const Reply& reply) const {
    if (reply.kind == ReplyKind::kNotExecuted) {
      return fmt::format("not executed {} leader {}", reply.sequence, reply.leader);
    }
    return fmt::format("done {} '{}' version {}", reply.sequence, reply.result.value,
                       reply.result.version);
  }
};

}  // namespace

std::string Name(Address address) {
  if (address < kFirstClient) return fmt::format("n{}", address);
  return fmt::format("c{}", address - kFirstClient);
}

std::string Describe(raft::LogPosition position) {
  return fmt::format("{}@{}", position.index.value, position.term.value);
}

std::string Describe(const raft::Configuration& c) {
  std::string text = fmt::format("voters {}", List(c.voters));
  if (c.joint()) text += fmt::format(", outgoing {}", List(c.outgoing));
  if (!c.learners.empty()) text += fmt::format(", learners {}", List(c.learners));
  if (!c.witnesses.empty()) text += fmt::format(", witnesses {}", List(c.witnesses));
  return text;
}

std::string Describe(const raft::Message& message) {
  return std::visit(Words{}, message);
}

std::string Describe(Address from, Address to, const Payload& payload) {
  return fmt::format("{} -> {} {}", Name(from), Name(to), std::visit(PayloadWords{}, payload));
}

}  // namespace trireme::sim
