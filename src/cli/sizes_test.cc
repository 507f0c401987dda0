#include "cli/sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trireme::cli {
namespace {

using Kind = mapreduce::InputFormat::Kind;
using ::testing::HasSubstr;

std::string Why(const absl::Status& status) {
  return std::string(status.message());
}

TEST(SizesTest, SizesArePowersOf1024) {
  EXPECT_EQ(*ParseSize("0"), 0u);
  EXPECT_EQ(*ParseSize("512"), 512u);
  EXPECT_EQ(*ParseSize("7B"), 7u);
  for (const char* kibi : {"3K", "3k", "3KB", "3kb", "3KiB", "3Kib"}) {
    EXPECT_EQ(*ParseSize(kibi), 3072u) << kibi;
  }
  EXPECT_EQ(*ParseSize("64M"), 64u << 20);
  EXPECT_EQ(*ParseSize("2G"), 2ull << 30);
  EXPECT_EQ(*ParseSize("1T"), 1ull << 40);
}

TEST(SizesTest, TheLargestSizeIsTheLargestNumber) {
  EXPECT_EQ(*ParseSize("18446744073709551615"), ~0ull);
  EXPECT_EQ(*ParseSize("16777215T"), 16777215ull << 40);
  EXPECT_THAT(Why(ParseSize("16777216T").status()), HasSubstr("too large"));
  EXPECT_FALSE(ParseSize("18446744073709551616").ok());
}

TEST(SizesTest, WhatIsNoSizeIsNamed) {
  for (const char* text :
       {"", " 1", "1 ", "-1", "+1", "1.5G", "K", "1X", "1KK", "1Ki", "1BB", "0x10", "1e3", "1K "}) {
    const auto size = ParseSize(text);
    ASSERT_FALSE(size.ok()) << text;
    EXPECT_THAT(Why(size.status()), HasSubstr("'" + std::string(text) + "'"));
  }
}

TEST(SizesTest, Formats) {
  EXPECT_EQ(ParseFormat("lines")->kind, Kind::kLines);
  EXPECT_EQ(ParseFormat("files")->kind, Kind::kFiles);
  EXPECT_EQ(ParseFormat("fixed:100")->kind, Kind::kFixed);
  EXPECT_EQ(ParseFormat("fixed:1")->record_bytes, 1u);
  EXPECT_EQ(ParseFormat("fixed:1073741824")->record_bytes, 1u << 30);
  for (const char* text : {"", "Lines", "fixed", "fixed:", "fixed:0", "fixed:-1", "fixed:1K",
                           "fixed:1073741825", "fixed:4294967297"}) {
    EXPECT_FALSE(ParseFormat(text).ok()) << text;
  }
}

TEST(SizesTest, Durations) {
  EXPECT_EQ(*ParseDuration("90"), 90'000);
  EXPECT_EQ(*ParseDuration("90s"), 90'000);
  EXPECT_EQ(*ParseDuration("250ms"), 250);
  EXPECT_EQ(*ParseDuration("10m"), 600'000);
  EXPECT_EQ(*ParseDuration("10min"), 600'000);
  EXPECT_EQ(*ParseDuration("2h"), 7'200'000);
  EXPECT_EQ(*ParseDuration("0"), 0);
  for (const char* text :
       {"", "s", "-1s", "1.5s", "1d", "1 s", "18446744073709551615h", "18446744073709551616"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

TEST(SizesTest, BytesAreShownInTheUnitThatKeepsThemBelow1024) {
  EXPECT_EQ(ShowBytes(0), "0 B");
  EXPECT_EQ(ShowBytes(1023), "1023 B");
  EXPECT_EQ(ShowBytes(1024), "1.0 KiB");
  EXPECT_EQ(ShowBytes(1536), "1.5 KiB");
  EXPECT_EQ(ShowBytes((1u << 20) - 1), "1.0 MiB");  // and not 1024.0 KiB
  EXPECT_EQ(ShowBytes(~0ull), "16.0 EiB");
}

TEST(SizesTest, CountsHaveTheirThousandsMarked) {
  EXPECT_EQ(ShowCount(0), "0");
  EXPECT_EQ(ShowCount(999), "999");
  EXPECT_EQ(ShowCount(1000), "1,000");
  EXPECT_EQ(ShowCount(1234567), "1,234,567");
  EXPECT_EQ(ShowCount(-999), "-999");
  EXPECT_EQ(ShowCount(-1000), "-1,000");
  EXPECT_EQ(ShowCount(-123456), "-123,456");
  EXPECT_EQ(ShowCount(std::numeric_limits<std::int64_t>::min()), "-9,223,372,036,854,775,808");
}

TEST(SizesTest, TimesAreShownAsPrecisely) {
  EXPECT_EQ(ShowSeconds(0), "0.00 s");
  EXPECT_EQ(ShowSeconds(250), "0.25 s");
  EXPECT_EQ(ShowSeconds(10'000), "10.0 s");
  EXPECT_EQ(ShowSeconds(119'999), "120.0 s");
  EXPECT_EQ(ShowSeconds(120'000), "2 min 00 s");
  EXPECT_EQ(ShowSeconds(200'000), "3 min 20 s");
  EXPECT_EQ(ShowSeconds(7'200'000), "2 h 00 min");
  EXPECT_EQ(ShowSeconds(90'061'000), "25 h 01 min");
}

}  // namespace
}  // namespace trireme::cli
