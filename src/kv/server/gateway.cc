#include "kv/server/gateway.h"

#include "kv/server/rpc_errors.h"

namespace trireme::kv::inline engine {
namespace {

/// The wait before what found no leader is tried again.
constexpr std::chrono::milliseconds kRetryPause{10};

/// No leader: it has not taken effect and may be tried again.
bool FoundNoLeader(const raft::ProposalResult& result) {
  return result.state == raft::ProposalState::kNotExecuted && absl::IsUnavailable(result.status);
}

}  // namespace

void Gateway::Propose(std::string entry, Patience patience, Answer answer) {
  Queue(Keep({std::move(answer), SharedBytes::Own(std::move(entry)), patience, {}}));
}

void Gateway::Queue(Slot slot) {
  proposals_.push_back(
      {waiting_[slot].entry, [this, slot](raft::ProposalResult r) { Take(slot, std::move(r)); }});
  loop_->Mark(*this);
}

void Gateway::ReadLinearizable(Patience patience, std::shared_ptr<rpc::ServerCall> call,
                               std::string request, Reading answer) {
  reads_.push_back({std::move(call), std::move(request), std::move(answer), patience, {}});
  loop_->Mark(*this);
}

void Gateway::Flush() {
  if (!proposals_.empty()) FlushProposals();
  if (!reads_.empty() && reads_at_work_.empty()) FlushReads();
}

void Gateway::FlushProposals() {
  replica_->Propose(std::span(proposals_));
  proposals_.clear();
}

/// Reads that come while a barrier is under way wait for the next: it may have been granted before
/// they began.
void Gateway::FlushReads() {
  reads_at_work_.swap(reads_);
  replica_->ReadBarrier([this](absl::StatusOr<raft::Index> granted) {
    loop_->Post([this, granted = std::move(granted)] { EndReads(granted); });
  });
}

void Gateway::EndReads(const absl::StatusOr<raft::Index>& granted) {
  reads_ending_.swap(reads_at_work_);
  const auto view = granted.ok() ? published_->view() : nullptr;
  for (Read& read : reads_ending_) EndRead(read, granted.status(), view.get());
  reads_ending_.clear();
  if (!reads_.empty()) loop_->Mark(*this);
}

void Gateway::EndRead(Read& read, const absl::Status& granted, const ReadView* view) {
  if (granted.ok() && published_->failed()) {
    read.call->Finish(Stopped());
  } else if (granted.ok()) {
    read.answer(*read.call, read.request, *view);
  } else if (absl::IsUnavailable(granted) && MayRetry(read.patience, &read.until)) {
    read_retries_.push_back(std::move(read));
  } else {
    read.call->Finish(ReadStatusOf(granted));
  }
}

Gateway::Slot Gateway::Keep(Waiting waiting) {
  if (free_slots_.empty()) {
    waiting_.push_back(std::move(waiting));
    return waiting_.size() - 1;
  }
  const Slot slot = free_slots_.back();
  free_slots_.pop_back();
  waiting_[slot] = std::move(waiting);
  return slot;
}

/// Mostly on the thread that applies, which tells when it has answered all that it can. A refusal
/// may come on the loop's own thread, within Propose.
void Gateway::Take(Slot slot, raft::ProposalResult result) {
  const std::lock_guard lock(mutex_);
  results_.emplace_back(slot, std::move(result));
  if (loop_->InThread()) loop_->Post([this] { RunAnswers(); });
}

void Gateway::SendAnswers() {
  {
    const std::lock_guard lock(mutex_);
    if (results_.empty()) return;
  }
  loop_->Post([this] { RunAnswers(); });
}

void Gateway::RunAnswers() {
  {
    const std::lock_guard lock(mutex_);
    running_.swap(results_);
  }
  for (auto& [slot, result] : running_) End(slot, std::move(result));
  running_.clear();
}

void Gateway::End(Slot slot, raft::ProposalResult result) {
  Waiting& waiting = waiting_[slot];
  if (FoundNoLeader(result) && MayRetry(waiting.patience, &waiting.until)) {
    retries_.push_back(slot);
    return;
  }
  Answer answer = std::move(waiting.answer);
  waiting.entry = {};
  free_slots_.push_back(slot);
  const bool known = result.state == raft::ProposalState::kCommitted && !result.result.empty();
  known ? answer(std::move(result.result)) : answer(StatusOf(result));
}

bool Gateway::MayRetry(Patience patience, Clock::time_point* until) {
  if (patience == Patience::kNone) return false;
  const Clock::time_point now = Clock::now();
  if (*until == Clock::time_point{}) *until = now + no_leader_wait_;
  if (now >= *until) return false;
  RetrySoon();
  return true;
}

void Gateway::RetrySoon() {
  if (std::exchange(timer_armed_, true)) return;
  loop_->Arm(*this, Clock::now() + kRetryPause);
}

void Gateway::OnTimer() {
  timer_armed_ = false;
  for (const Slot slot : std::exchange(retries_, {})) Queue(slot);
  for (Read& read : std::exchange(read_retries_, {})) reads_.push_back(std::move(read));
  loop_->Mark(*this);
}

}  // namespace trireme::kv::inline engine
