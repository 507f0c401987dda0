#include "io/histogram.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trireme::io {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::HasSubstr;

TEST(DurationHistogramTest, EachBucketCountsAllBelowIt) {
  DurationHistogram histogram;
  for (const auto duration : {microseconds(300), microseconds(1000), microseconds(1001)})
    histogram.Add(duration);
  histogram.Add(milliseconds(8192));
  histogram.Add(seconds(9));
  std::string page;
  histogram.AppendTo(page, "x", "What it is.");
  for (const char* line :
       {"# HELP x What it is.\n# TYPE x histogram\n", "x_bucket{le=\"0.001\"} 2\n",
        "x_bucket{le=\"0.002\"} 3\n", "x_bucket{le=\"4.096\"} 3\n", "x_bucket{le=\"8.192\"} 4\n",
        "x_bucket{le=\"+Inf\"} 5\n", "x_sum 17.194301\n", "x_count 5\n"})
    EXPECT_THAT(page, HasSubstr(line));
}

}  // namespace
}  // namespace trireme::io
