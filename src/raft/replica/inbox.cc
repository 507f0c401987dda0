#include "raft/replica/inbox.h"

#include <iterator>

namespace trireme::raft {

template <typename Change>
void Inbox::Put(const Change& change) {
  const std::lock_guard lock(mutex_);
  change();
  something_ = true;
}

void Inbox::Wake() {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    wake = std::exchange(asleep_, false);
  }
  if (wake) changed_.notify_one();
}

bool Inbox::something() const {
  const std::lock_guard lock(mutex_);
  return something_;
}

std::size_t Inbox::Propose(Group* group, std::span<Proposal> proposals, Refusal* refusal) {
  std::size_t taken = 0;
  Put([&] {
    *refusal = closed_ ? Refusal::kStopped : Refusal::kNone;
    if (closed_) return;
    for (Proposal& proposal : proposals) {
      if (contents_.proposals.size() >= proposals_max_ ||
          (proposal_bytes_ > 0 && proposal_bytes_ + proposal.data.size() > proposal_bytes_max_)) {
        *refusal = Refusal::kFull;
        return;
      }
      proposal_bytes_ += proposal.data.size();
      contents_.proposals.push_back({group, std::move(proposal.data), std::move(proposal.done)});
      ++taken;
    }
  });
  return taken;
}

Inbox::Refusal Inbox::Read(Group* group, ReadCallback& done) {
  Refusal refusal = Refusal::kNone;
  Put([&] {
    if (closed_) refusal = Refusal::kStopped;
    if (contents_.reads.size() >= proposals_max_) refusal = Refusal::kFull;
    if (refusal == Refusal::kNone) contents_.reads.push_back({group, std::move(done)});
  });
  return refusal;
}

bool Inbox::Receive(NodeId from, SharedBytes& frame) {
  bool room = true;
  Put([&] {
    room = frame_bytes_ == 0 || frame_bytes_ + frame.size() <= frame_bytes_max_;
    if (!room) return;
    frame_bytes_ += frame.size();
    contents_.frames.push_back({from, std::move(frame)});
  });
  return room;
}

void Inbox::Unreachable(NodeId peer) {
  Put([&] { contents_.unreachable.push_back(peer); });
  Wake();
}

void Inbox::Persisted(const std::vector<WalProgress>& progress) {
  Put([&] {
    contents_.persisted.insert(contents_.persisted.end(), progress.begin(), progress.end());
  });
}

void Inbox::Applied(const std::vector<Applier::Report>& reports) {
  Put([&] { contents_.applied.insert(contents_.applied.end(), reports.begin(), reports.end()); });
}

void Inbox::Post(absl::AnyInvocable<void()> task) {
  Put([&] { contents_.tasks.push_back(std::move(task)); });
  Wake();
}

void Inbox::Await(std::chrono::nanoseconds wait_max) {
  std::unique_lock lock(mutex_);
  asleep_ = !woken_ && !closed_;
  changed_.wait_for(lock, wait_max, [this] { return woken_ || closed_; });
  asleep_ = false;
  woken_ = false;
}

void Inbox::Take(Contents* contents) {
  contents->Clear();
  const std::lock_guard lock(mutex_);
  std::swap(*contents, contents_);
  proposal_bytes_ = 0;
  frame_bytes_ = 0;
  something_ = false;
}

void Inbox::Close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  changed_.notify_one();
}

}  // namespace trireme::raft
