#include "rpc/latency.h"

#include <gtest/gtest.h>

namespace trireme::rpc {
namespace {

using std::chrono::nanoseconds;

TEST(Latencies, BucketsFollowEachOtherAndHoldTheirTimes) {
  std::size_t last = 0;
  for (std::int64_t ns = 1; ns < 100'000'000'000; ns += ns / 50 + 1) {
    const std::size_t bucket = Latencies::BucketOf(nanoseconds(ns));
    ASSERT_GE(bucket, last) << ns;
    last = bucket;
    if (bucket + 1 == kLatencyBuckets) continue;  // It holds all that is longer.
    const double seconds = static_cast<double>(ns) / 1e9;
    ASSERT_LT(seconds, Latencies::EndOf(bucket)) << ns;
    if (ns >= 256) ASSERT_GE(seconds * 1.25 + 1e-15, Latencies::EndOf(bucket)) << ns;
  }
  EXPECT_EQ(last, kLatencyBuckets - 1);
  EXPECT_EQ(Latencies::BucketOf(nanoseconds(-5)), Latencies::BucketOf(nanoseconds(0)));
}

TEST(Latencies, Quantiles) {
  Latencies latencies;
  EXPECT_EQ(Quantile(latencies.counts(), 0.99), 0);
  for (int i = 0; i < 98; ++i) latencies.Add(std::chrono::milliseconds(1));
  for (int i = 0; i < 2; ++i) latencies.Add(std::chrono::seconds(1));
  const LatencyCounts counts = latencies.counts();
  EXPECT_NEAR(Quantile(counts, 0.5), 0.001, 0.0003);
  EXPECT_NEAR(Quantile(counts, 0.98), 0.001, 0.0003);
  EXPECT_NEAR(Quantile(counts, 0.99), 1, 0.3);
  EXPECT_NEAR(Quantile(counts, 1), 1, 0.3);
}

}  // namespace
}  // namespace trireme::rpc
