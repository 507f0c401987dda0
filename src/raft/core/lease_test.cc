#include "raft/core/lease.h"

#include <algorithm>

#include "base/random.h"
#include "gtest/gtest.h"

namespace trireme::raft {
namespace {

Config WithLease(std::uint32_t ticks, std::uint32_t drift_ppm) {
  Config config;
  config.lease_ticks = ticks;
  config.clock_drift_ppm_max = drift_ppm;
  return config;
}

TEST(Lease, GrantsReadsFromAppendOnceCommitted) {
  Lease lease(WithLease(10, 0));
  lease.Append(100, Index{1});
  EXPECT_FALSE(lease.MayRead(100)) << "not committed";
  lease.Commit(Index{1});
  EXPECT_TRUE(lease.MayRead(109));
  EXPECT_FALSE(lease.MayRead(110)) << "counted from the append";
}

TEST(Lease, LaterEntriesExtendIt) {
  Lease lease(WithLease(10, 0));
  for (std::uint64_t tick = 100; tick < 105; ++tick) lease.Append(tick, Index{tick});
  lease.Commit(Index{102});
  EXPECT_TRUE(lease.MayRead(111));
  EXPECT_FALSE(lease.MayRead(112));
  EXPECT_FALSE(lease.WantsRenewal(110)) << "entries under way will renew it";
  lease.Commit(Index{104});
  EXPECT_TRUE(lease.MayRead(113));
  EXPECT_TRUE(lease.WantsRenewal(110));
}

TEST(Lease, IsOverWithLeadership) {
  Lease lease(WithLease(10, 0));
  lease.Append(100, Index{1});
  lease.Commit(Index{1});
  lease.Resign(101);
  EXPECT_FALSE(lease.MayRead(101));
  EXPECT_FALSE(lease.MayCommit(105)) << "leading again it waits as anybody does";
}

TEST(Lease, OffMeansNoReadsAndNoWaiting) {
  Lease lease(WithLease(0, 1000));
  lease.Receive(5);
  lease.Append(5, Index{1});
  lease.Commit(Index{1});
  EXPECT_FALSE(lease.MayRead(5));
  EXPECT_TRUE(lease.MayCommit(5));
}

TEST(Lease, ANewClusterNeedNotWait) {
  EXPECT_TRUE(Lease(WithLease(10, 0)).MayCommit(0));
}

/// Two clocks at the limits of the drift, tick phases and delays drawn anew each time, in units of
/// a ten-thousandth of a tick. The old leader must never read after the new one may have committed.
TEST(Lease, NeverOverlapsWithinTheDriftBound) {
  Random random(3);
  std::uint64_t slack_min = ~0ull;
  for (int i = 0; i < 20'000; ++i) {
    const auto ticks = static_cast<std::uint32_t>(1 + random.Below(60));
    const auto drift = static_cast<std::uint32_t>(random.Below(300'000));
    const Config config = WithLease(ticks, drift);
    const std::uint64_t unit = 10'000;
    const std::uint64_t slow_period = unit * 1'000'000 / (1'000'000 - drift);  // of the old leader
    const std::uint64_t fast_period = unit * 1'000'000 / (1'000'000 + drift);
    const std::uint64_t appended_at = unit * 100 + random.Below(100 * unit);
    const std::uint64_t received_at = appended_at + random.Below(unit);
    const std::uint64_t fast_phase = random.Below(fast_period);
    const std::uint64_t slow_phase = random.Below(slow_period);
    const auto old_tick = [&](std::uint64_t at) { return (at + slow_phase) / slow_period; };
    const auto new_tick = [&](std::uint64_t at) { return (at + fast_phase) / fast_period; };

    Lease old_lease(config);
    old_lease.Append(old_tick(appended_at), Index{1});
    old_lease.Commit(Index{1});
    Lease new_lease(config);
    new_lease.Receive(new_tick(received_at));
    std::uint64_t last_read = appended_at;
    while (old_lease.MayRead(old_tick(last_read + 1 + slow_period / 64))) {
      last_read += 1 + slow_period / 64;
    }
    std::uint64_t first_commit = received_at;
    while (!new_lease.MayCommit(new_tick(first_commit))) first_commit += 1 + fast_period / 64;
    ASSERT_LT(last_read, first_commit) << ticks << " ticks, drift " << drift;
    slack_min = std::min(slack_min, first_commit - last_read);
  }
  EXPECT_LT(slack_min, 10'000u * 3) << "a bound that is never nearly reached is too cautious";
}

}  // namespace
}  // namespace trireme::raft
