#include <string>
#include <utility>

#include "fmt/format.h"
#include "io/log.h"
#include "raft/core/configuration.h"
#include "raft/replica/host_loop.h"

/// Proposals of members that do not lead go to the one that does: the core knows nothing of it.
namespace trireme::raft {

/// Collects what this turn has for the leader. False: it is to be proposed here.
bool HostLoop::MayForward(Group& group, Inbox::ProposalItem& item) {
  if (!group.options.forward_proposals || group.leads()) return false;
  const NodeId leader = group.leader();
  if (leader == kNobody || leader == self() || options_.transport == nullptr) return false;
  if (item.data.size() > group.options.config.proposal_bytes_max) return false;
  if (group.to_forward.proposals.empty()) {
    if (group.core->Status().witness) return false;  // it has no result to give
    forwarding_.push_back(&group);
  }
  group.forward_bytes += item.data.size();
  group.to_forward.proposals.push_back(std::move(item.data));
  group.to_forward_done.push_back(std::move(item.done));
  if (group.to_forward.proposals.size() >= kForwardProposalsMax ||
      group.forward_bytes >= options_.frame_bytes_max) {
    SendForward(group);
  }
  return true;
}

void HostLoop::SendForwards() {
  for (Group* group : std::exchange(forwarding_, {})) SendForward(*group);
}

/// In a frame of its own, straight to the transport, whose answer says whether it has left.
void HostLoop::SendForward(Group& group) {
  Forward forward = std::exchange(group.to_forward, {});
  group.forward_bytes = 0;
  if (forward.proposals.empty()) return;
  MarkDirty(group);
  const NodeId leader = group.leader();
  const std::size_t count = forward.proposals.size();
  forward.session = group.forwards.session();
  forward.number = group.forwards.Sent(leader, std::exchange(group.to_forward_done, {}),
                                       group.options.forward_timeout_ticks);
  SectionWriter writer;
  writer.AddSection(group.id(), EncodeForwardHead(forward), forward.proposals);
  if (options_.transport->Send(leader, writer.Take())) {
    counters_.forwarded.fetch_add(count, std::memory_order_relaxed);
    return;
  }
  for (ProposalCallback& done : group.forwards.TakeBack()) {
    Refuse(group, std::move(done),
           absl::ResourceExhaustedError(fmt::format(
               "nothing can be sent to node {}, which leads: its address is unknown, or "
               "too much waits for it already",
               leader.value)));
  }
}

void HostLoop::TakeForward(NodeId from, Group& group, const SharedBytes& section) {
  auto forward = DecodeForward(section);
  if (!forward) {
    counters_.frames_damaged.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  if (!group.taken_forwards.Take(from, forward->session, forward->number)) {
    counters_.forwards_repeated.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  counters_.forwards_taken.fetch_add(forward->proposals.size(), std::memory_order_relaxed);
  MarkDirty(group);
  const absl::Status unable = UnableToTakeFrom(from, group);
  ForwardAnswer answer;
  answer.session = forward->session;
  answer.number = forward->number;
  for (SharedBytes& data : forward->proposals) {
    if (!unable.ok()) {
      answer.Add(unable);
      continue;
    }
    if (group.options.on_forwarded) data = group.options.on_forwarded(std::move(data));
    const Proposed proposed = group.core->Propose(Ticket{}, std::move(data));
    if (!proposed.answer.ok()) {
      answer.Add(ToStatus(proposed.answer));
      continue;
    }
    answer.term = proposed.position.term;
    answer.Add(proposed.position.index);
  }
  // Before the appends that have the entries, which the core says when it is asked for its output.
  outbox_.AddSection(from, group.id(), EncodeForwardAnswer(answer));
}

absl::Status HostLoop::UnableToTakeFrom(NodeId from, const Group& group) const {
  if (absl::Status unable = Unable(group); !unable.ok()) return unable;
  if (disk_full()) return DiskFull(group);
  if (!IsMember(group.core->Membership(), from)) {
    return absl::FailedPreconditionError(
        fmt::format("node {} is no member of group {}", from.value, group.id().value));
  }
  return absl::OkStatus();
}

void HostLoop::TakeForwardAnswer(NodeId from, Group& group, const SharedBytes& section) {
  const auto answer = DecodeForwardAnswer(section);
  if (!answer) {
    counters_.frames_damaged.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  MarkDirty(group);
  // One that nobody waits for any more changes nothing.
  group.forwards.Answered(from, *answer, [&](Index index) -> std::optional<Term> {
    const auto meta = group.core->MetaAt(index);
    return meta ? std::optional(meta->last.term) : std::nullopt;
  });
  EndForwards(group);
}

void HostLoop::ForwardsUnreachable(NodeId peer) {
  for (Group* group : in_order_) {
    if (group->forwards.empty()) continue;
    MarkDirty(*group);
    group->forwards.Unreachable(peer);
    EndForwards(*group);
  }
}

namespace {

Index HandedOut(const Output& output) {
  const Committed& committed = output.committed;
  if (committed.last >= committed.first) return committed.last;
  return output.restore->last.index;
}

}  // namespace

/// Among those proposed here, in the order of the log.
void HostLoop::PlaceForwards(Group& group, const Output& output, ApplyItem* item) {
  if (group.forwards.empty()) return group.forwards.BeginAt(HandedOut(output));
  if (output.restore) group.forwards.Restored(output.restore->last);
  const Committed& committed = output.committed;
  if (committed.last < committed.first) return EndForwards(group);
  LogPosition last{committed.last, {}};
  if (!committed.entries.empty()) {
    last.term = committed.entries.back().term;
  } else if (const auto meta = group.core->MetaAt(committed.last)) {
    last.term = meta->last.term;
  }
  std::vector<Forwards::Placed> placed;
  group.forwards.Committed(last, &placed);
  const std::size_t own = item->mine.size();
  for (Forwards::Placed& one : placed) {
    item->mine.push_back({one.position.index, std::move(one.done), one.position.term});
  }
  std::inplace_merge(item->mine.begin(), item->mine.begin() + static_cast<std::ptrdiff_t>(own),
                     item->mine.end(),
                     [](const auto& a, const auto& b) { return a.index < b.index; });
  EndForwards(group);
}

void HostLoop::EndForwards(Group& group) {
  if (!group.forwards.has_ended()) return;
  for (Forwards::Ended& ended : group.forwards.TakeEnded()) {
    counters_.lost.fetch_add(1, std::memory_order_relaxed);
    ended.result.leader = group.leader();
    ApplyCalls(group).calls.push_back(
        [done = std::move(ended.done), result = std::move(ended.result)]() mutable {
          done(std::move(result));
        });
  }
}

}  // namespace trireme::raft
