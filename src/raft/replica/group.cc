#include "raft/replica/group.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "fmt/format.h"
#include "raft/replica/host_loop.h"

namespace trireme::raft {

namespace {

absl::Status Why(Inbox::Refusal refusal) {
  if (refusal == Inbox::Refusal::kStopped) {
    return absl::CancelledError("the Raft host is stopping");
  }
  return absl::ResourceExhaustedError(
      "the host's queue is full (queued_proposals_max or queued_proposal_bytes_max): wait for "
      "results before asking for more");
}

absl::Status OnApplyThread() {
  return absl::FailedPreconditionError(
      "a call that waits, made on the thread that would have to answer it (in a callback or a "
      "state machine); use the one with a callback");
}

absl::Status BeingReplaced() {
  return absl::UnavailableError("the state is being replaced by a snapshot; ask again");
}

/// One value, from the thread that has it to the one that waits; whoever comes second cleans up.
template <typename T>
class Awaited {
 public:
  void Set(T value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    changed_.notify_one();
  }
  std::optional<T> Wait(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, timeout, [this] { return value_.has_value(); });
    return std::exchange(value_, std::nullopt);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_;
};

}  // namespace

Group::Group(HostLoop* host_loop, const GroupOptions& group_options, StateMachine* machine)
    : host(host_loop), options(group_options), forwards(group_options.config.seed) {
  applying.id = options.group;
  applying.machine = machine;
  applying.durable = machine->AsDurable();
}

void Group::Propose(SharedBytes data, ProposalCallback done) {
  Proposal one{std::move(data), std::move(done)};
  Propose(std::span(&one, 1));
}

void Group::Propose(std::span<Proposal> batch) {
  Inbox::Refusal refusal = Inbox::Refusal::kNone;
  const std::size_t taken = host->inbox().Propose(this, batch, &refusal);
  if (taken > 0) host->TurnHereOrGather(taken);
  for (Proposal& refused : batch.subspan(taken)) {
    host->counters().proposals_refused.fetch_add(1, std::memory_order_relaxed);
    if (!refused.done) continue;
    ProposalResult result;
    result.state = ProposalState::kNotExecuted;
    result.status = Why(refusal);
    result.leader = leader();
    refused.done(std::move(result));
  }
}

ProposalResult Group::ProposeAndWait(SharedBytes data, std::chrono::milliseconds timeout) {
  ProposalResult late;
  if (host->applier().InThread()) {
    late.state = ProposalState::kNotExecuted;
    late.status = OnApplyThread();
    return late;
  }
  const auto awaited = std::make_shared<Awaited<ProposalResult>>();
  Propose(std::move(data), [awaited](ProposalResult result) { awaited->Set(std::move(result)); });
  if (auto result = awaited->Wait(timeout)) return *std::move(result);
  late.status = absl::DeadlineExceededError(
      fmt::format("no result of the proposal within {} ms", timeout.count()));
  late.leader = leader();
  return late;
}

void Group::Read(ReadCallback call) {
  const Inbox::Refusal refusal = host->inbox().Read(this, call);
  if (refusal != Inbox::Refusal::kNone) return call(Why(refusal), applying);
  host->TurnHereOrGather(1);
}

void Group::ReadBarrier(absl::AnyInvocable<void(absl::StatusOr<Index>)> done) {
  ReadCallback call = [done = std::move(done)](absl::StatusOr<Index> index,
                                               const AppliedGroup& applied) mutable {
    if (index.ok() && !applied.readable()) return done(BeingReplaced());
    done(std::move(index));
  };
  Read(std::move(call));
}

void Group::Query(std::string request, absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) {
  ReadCallback call = [done = std::move(done), request = std::move(request)](
                          absl::StatusOr<Index> index, const AppliedGroup& applied) mutable {
    if (!index.ok()) return done(index.status());
    if (!applied.readable()) return done(BeingReplaced());
    done(applied.machine->Query(request));
  };
  Read(std::move(call));
}

absl::StatusOr<std::string> Group::QueryAndWait(std::string request,
                                                std::chrono::milliseconds timeout) {
  if (host->applier().InThread()) return OnApplyThread();
  const auto awaited = std::make_shared<Awaited<absl::StatusOr<std::string>>>();
  Query(std::move(request),
        [awaited](absl::StatusOr<std::string> answer) { awaited->Set(std::move(answer)); });
  if (auto answer = awaited->Wait(timeout)) return *std::move(answer);
  return absl::DeadlineExceededError(
      fmt::format("no answer to the query within {} ms", timeout.count()));
}

void Group::QueryLocal(std::string request,
                       absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) {
  host->QueryLocal(*this, std::move(request), std::move(done));
}

void Group::ChangeMembers(std::vector<Member> members, ProposalCallback done) {
  host->ChangeMembers(*this, std::move(members), std::move(done));
}

absl::Status Group::Transfer(NodeId to) {
  return host->CallCore(*this, [to](Core& raft) { return raft.Transfer(to); });
}

absl::Status Group::Campaign() {
  return host->CallCore(*this, [](Core& raft) { return raft.Campaign(); });
}

void Group::TakeSnapshot(SnapshotCallback done) {
  host->TakeSnapshot(*this, std::move(done));
}

ReplicaStatus Group::Status() const {
  return host->StatusOf(*this);
}

}  // namespace trireme::raft
