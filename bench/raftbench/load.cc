#include "raftbench/load.h"

#include <algorithm>

namespace trireme::raft::bench {

LoadResult Load::Run(double seconds, std::uint64_t entries_max) {
  const std::uint64_t part = std::max<std::uint64_t>(1, in_flight_ / 8);
  const auto from = Clock::now();
  Propose(in_flight_);
  std::uint64_t replaced = 0;  // Of the completed ones.
  while (SecondsSince(from) < seconds && proposed_ < entries_max) {
    Await(replaced + part);
    const std::uint64_t count = completed_ - replaced;
    replaced += count;
    Propose(count);
  }
  Await(proposed_);
  const double took = SecondsSince(from);
  std::sort(latencies_ms_.begin(), latencies_ms_.end());
  const auto quantile = [this](double share) {
    const auto last = static_cast<double>(latencies_ms_.size() - 1);
    return static_cast<double>(latencies_ms_[static_cast<std::size_t>(share * last)]);
  };
  return {.entries_per_second = static_cast<double>(proposed_ - failed_) / took,
          .p50_ms = quantile(0.5),
          .p99_ms = quantile(0.99),
          .p999_ms = quantile(0.999),
          .entries = proposed_,
          .failed = failed_};
}

void Load::Propose(std::uint64_t count) {
  proposals_.clear();
  const auto now = Clock::now();
  for (std::uint64_t i = 0; i < count; ++i) {
    proposals_.push_back({SharedBytes::Copy(payload_), [this, now](const ProposalResult& result) {
                            latencies_ms_.push_back(static_cast<float>(SecondsSince(now) * 1000));
                            if (result.state != ProposalState::kCommitted) ++failed_;
                            // Once: to wake who is awake costs as much as to wake who sleeps.
                            if (++completed_ == wanted_) completed_.notify_one();
                          }});
  }
  proposed_ += count;
  replica_.Propose(proposals_);
}

void Load::Await(std::uint64_t completed) {
  wanted_ = completed;
  for (std::uint64_t now = completed_; now < completed; now = completed_) completed_.wait(now);
}

}  // namespace trireme::raft::bench
