#include "raft/core/reads.h"

#include <algorithm>
#include <utility>

namespace trireme::raft {

namespace {

void FailAll(const std::vector<Ticket>& tickets, std::vector<ReadState>* to) {
  for (const Ticket ticket : tickets) to->push_back({ticket, Index{}, false});
}

}  // namespace

void GrantedReads::Add(Ticket ticket, Index index) {
  if (!reads_.empty()) index = std::max(index, reads_.back().index);
  reads_.push_back({ticket, index});
}

void GrantedReads::Release(Index applied, std::vector<ReadState>* to) {
  for (; !reads_.empty() && reads_.front().index <= applied; reads_.pop_front()) {
    to->push_back({reads_.front().ticket, reads_.front().index, true});
  }
}

void GrantedReads::Fail(std::vector<ReadState>* to) {
  for (; !reads_.empty(); reads_.pop_front()) to->push_back({reads_.front().ticket, {}, false});
}

std::size_t LeaderReads::size() const {
  std::size_t count = open_.own.size() + open_.remote.size();
  for (std::size_t i = 0; i < confirming_.size(); ++i) {
    count += confirming_[i].own.size() + confirming_[i].remote.size();
  }
  return count;
}

ReadBatch LeaderReads::TakeOpen() {
  return std::exchange(open_, ReadBatch());
}

void LeaderReads::Begin(Index commit, std::uint64_t round) {
  open_.index = commit;
  open_.round = round;
  confirming_.push_back(TakeOpen());
}

bool LeaderReads::TakeConfirmed(std::uint64_t round, ReadBatch* batch) {
  if (confirming_.empty() || confirming_.front().round > round) return false;
  *batch = std::move(confirming_.front());
  confirming_.pop_front();
  return true;
}

void LeaderReads::Fail(std::vector<ReadState>* to) {
  for (; !confirming_.empty(); confirming_.pop_front()) FailAll(confirming_.front().own, to);
  FailAll(TakeOpen().own, to);
}

std::size_t ForwardedReads::size() const {
  std::size_t count = open_.size();
  for (const Batch& batch : sent_) count += batch.tickets.size();
  return count;
}

std::uint64_t ForwardedReads::Send(std::uint64_t now) {
  sent_.push_back({++context_, now, std::exchange(open_, {})});
  return context_;
}

void ForwardedReads::Answer(std::uint64_t context, Index index, GrantedReads* granted) {
  const auto found = std::find_if(sent_.begin(), sent_.end(),
                                  [&](const Batch& batch) { return batch.context == context; });
  if (found == sent_.end()) return;
  for (const Ticket ticket : found->tickets) granted->Add(ticket, index);
  sent_.erase(found);
}

void ForwardedReads::Expire(std::uint64_t tick, std::vector<ReadState>* to) {
  while (!sent_.empty() && sent_.front().sent_tick < tick) {
    FailAll(sent_.front().tickets, to);
    sent_.erase(sent_.begin());
  }
}

void ForwardedReads::Fail(std::vector<ReadState>* to) {
  for (const Batch& batch : sent_) FailAll(batch.tickets, to);
  sent_.clear();
  FailAll(open_, to);
  open_.clear();
}

}  // namespace trireme::raft
