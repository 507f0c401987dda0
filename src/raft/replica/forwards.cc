#include "raft/replica/forwards.h"

#include <utility>

namespace trireme::raft {

namespace {

absl::Status Replaced() {
  return absl::UnavailableError(
      "leadership changed, and another entry has taken the proposal's place");
}

}  // namespace

std::uint64_t Forwards::Sent(NodeId to, std::vector<ProposalCallback> done, std::uint64_t ticks) {
  sent_proposals_ += done.size();
  sent_.push_back({++number_, to, now_ + ticks, std::move(done)});
  return number_;
}

std::vector<ProposalCallback> Forwards::TakeBack() {
  std::vector<ProposalCallback> done = std::move(sent_.back().done);
  sent_.pop_back();
  sent_proposals_ -= done.size();
  return done;
}

bool Forwards::Answered(NodeId from, const ForwardAnswer& answer, const TermAt& term_at) {
  const auto at = std::find_if(sent_.begin(), sent_.end(), [&](const Batch& batch) {
    return batch.number == answer.number && batch.to == from;
  });
  if (answer.session != session_ || at == sent_.end()) return false;
  std::uint64_t left = at->done.size();
  for (const ForwardAnswer::Run& run : answer.runs) {
    if (run.count > left) return false;
    left -= run.count;
  }
  if (left > 0) return false;
  Batch batch = std::move(*at);
  sent_.erase(at);
  sent_proposals_ -= batch.done.size();
  auto next = batch.done.begin();
  for (const ForwardAnswer::Run& run : answer.runs) {
    for (std::uint64_t i = 0; i < run.count; ++i, ++next) {
      if (!run.refusal.ok()) {
        End(std::move(*next), ProposalState::kNotExecuted, run.refusal);
      } else {
        Place({{{run.first + i, answer.term}, std::move(*next)}, batch.deadline}, term_at);
      }
    }
  }
  return true;
}

/// The transport keeps the order, so that a place is known before it commits here, unless its entry
/// has come from elsewhere.
void Forwards::Place(Waiting waiting, const TermAt& term_at) {
  const LogPosition at = waiting.placed.position;
  if (at.index <= committed_) {
    const std::optional<Term> term = term_at(at.index);
    if (term && *term != at.term) {
      return End(std::move(waiting.placed.done), ProposalState::kNotExecuted, Replaced());
    }
    return End(std::move(waiting.placed.done), ProposalState::kUnknown,
               absl::UnavailableError("the leader's answer came after the entry: the proposal may "
                                      "have taken effect, and its result is lost"));
  }
  if (!placed_.empty()) {
    const LogPosition before = placed_.back().placed.position;
    if (at.term < before.term || (at.term == before.term && at.index <= before.index)) {
      return End(std::move(waiting.placed.done), ProposalState::kUnknown,
                 absl::InternalError("the leader gave a place that cannot be"));
    }
  }
  placed_.push_back(std::move(waiting));
}

void Forwards::Committed(LogPosition last, std::vector<Placed>* placed) {
  committed_ = std::max(committed_, last.index);
  const std::size_t before = placed->size();
  for (; !placed_.empty(); placed_.pop_front()) {
    Placed& front = placed_.front().placed;
    if (front.position.index <= last.index) {
      placed->push_back(std::move(front));
    } else if (front.position.term < last.term) {
      End(std::move(front.done), ProposalState::kNotExecuted, Replaced());
    } else {
      break;
    }
  }
  std::sort(placed->begin() + static_cast<std::ptrdiff_t>(before), placed->end(),
            [](const Placed& a, const Placed& b) { return a.position.index < b.position.index; });
}

void Forwards::Restored(LogPosition last) {
  std::vector<Placed> covered;
  Committed(last, &covered);
  for (Placed& one : covered) {
    End(std::move(one.done), ProposalState::kUnknown,
        absl::UnavailableError("a snapshot covers the proposal: it may have taken effect"));
  }
}

void Forwards::Unreachable(NodeId peer) {
  EndUnknownIf([&](const Batch& batch) { return batch.to == peer; },
               absl::UnavailableError(
                   "the connection to the leader was lost: the proposal may have taken effect"));
}

void Forwards::LeaderIs(NodeId leader, std::uint64_t ticks) {
  for (Batch& batch : sent_) {
    if (batch.to != leader) batch.deadline = std::min(batch.deadline, now_ + ticks);
  }
}

void Forwards::Tick(std::uint64_t ticks) {
  now_ += ticks;
  const absl::Status why = absl::UnavailableError(
      "the leader did not say in time what became of the proposal (forward_timeout_ticks): it may "
      "have taken effect");
  EndUnknownIf([&](const Batch& batch) { return batch.deadline <= now_; }, why);
  for (; !placed_.empty() && placed_.front().deadline <= now_; placed_.pop_front()) {
    End(std::move(placed_.front().placed.done), ProposalState::kUnknown, why);
  }
}

void Forwards::GiveUp(const absl::Status& why) {
  EndUnknownIf([](const Batch&) { return true; }, why);
  for (; !placed_.empty(); placed_.pop_front()) {
    End(std::move(placed_.front().placed.done), ProposalState::kUnknown, why);
  }
}

template <typename Which>
void Forwards::EndUnknownIf(const Which& which, const absl::Status& why) {
  for (Batch& batch : sent_) {
    if (which(batch)) EndUnknown(batch, why);
  }
  std::erase_if(sent_, [](const Batch& batch) { return batch.done.empty(); });
}

void Forwards::EndUnknown(Batch& batch, const absl::Status& why) {
  sent_proposals_ -= batch.done.size();
  for (ProposalCallback& done : batch.done) End(std::move(done), ProposalState::kUnknown, why);
  batch.done.clear();
}

void Forwards::End(ProposalCallback done, ProposalState state, absl::Status why) {
  if (!done) return;
  ProposalResult result;
  result.state = state;
  result.status = std::move(why);
  ended_.push_back({std::move(done), std::move(result)});
}

bool TakenForwards::Take(NodeId from, std::uint64_t session, std::uint64_t number) {
  Latest& latest = latest_[from];
  if (latest.session == session && number <= latest.number) return false;
  latest = {session, number};
  return true;
}

}  // namespace trireme::raft
