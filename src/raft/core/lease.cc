#include "raft/core/lease.h"

namespace trireme::raft {

namespace {

constexpr std::uint64_t kMillion = 1'000'000;

std::uint64_t ForeignTicks(const Config& config) {
  const std::uint64_t fast = kMillion + config.clock_drift_ppm_max;
  const std::uint64_t slow = kMillion - config.clock_drift_ppm_max;
  return (config.lease_ticks * fast + slow - 1) / slow + 1;
}

}  // namespace

Lease::Lease(const Config& config)
    : ticks_(config.lease_ticks), foreign_ticks_(ForeignTicks(config)) {}

void Lease::Receive(std::uint64_t now) {
  received_ = now;
}

void Lease::Append(std::uint64_t now, Index index) {
  if (!enabled()) return;
  if (appended_.empty() || appended_.back().tick != now) appended_.push_back({now, index, index});
  appended_.back().last = index;
}

void Lease::Commit(Index commit) {
  while (!appended_.empty() && appended_.front().first <= commit) {
    granted_ = appended_.front().tick;
    if (appended_.front().last > commit) return;
    appended_.pop_front();
  }
}

void Lease::Resign(std::uint64_t now) {
  appended_.clear();
  granted_.reset();
  received_ = now;
}

bool Lease::MayCommit(std::uint64_t now) const {
  return !enabled() || !received_ || now - *received_ >= foreign_ticks_;
}

bool Lease::MayRead(std::uint64_t now) const {
  return enabled() && granted_ && now - *granted_ < ticks_;
}

bool Lease::WantsRenewal(std::uint64_t now) const {
  return enabled() && granted_ && appended_.empty() && now - *granted_ >= ticks_ / 2;
}

}  // namespace trireme::raft
