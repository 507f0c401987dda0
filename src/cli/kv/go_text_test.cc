#include "cli/kv/go_text.h"

#include <gtest/gtest.h>

namespace trireme::kvcli {
namespace {

std::string Error(const absl::Status& status) {
  return std::string(status.message());
}

TEST(GoTextTest, ReadsWholeNumbers) {
  EXPECT_EQ(*ParseInt("-12", 10), -12);
  EXPECT_EQ(*ParseInt("ff", 16), 255);
  EXPECT_EQ(*ParseInt("0x10", 0), 16);
  EXPECT_EQ(*ParseInt("010", 0), 8);
  EXPECT_EQ(*ParseInt("0", 0), 0);
  EXPECT_EQ(*ParseInt("-9223372036854775808", 10), INT64_MIN);
  EXPECT_EQ(*ParseUint("ffffffffffffffff", 16), UINT64_MAX);
  EXPECT_EQ(Error(ParseInt("x", 10).status()), "strconv.ParseInt: parsing \"x\": invalid syntax");
  EXPECT_EQ(Error(ParseInt("9223372036854775808", 10).status()),
            "strconv.ParseInt: parsing \"9223372036854775808\": value out of range");
  EXPECT_EQ(Error(ParseUint("-1", 10).status()),
            "strconv.ParseUint: parsing \"-1\": invalid syntax");
  EXPECT_FALSE(ParseInt("", 10).ok());
  EXPECT_FALSE(ParseInt("1 ", 10).ok());
  EXPECT_FALSE(ParseInt("--1", 10).ok());
}

TEST(GoTextTest, ReadsDurations) {
  EXPECT_EQ(*ParseGoDuration("1h15m30.5s"), absl::Seconds(4530.5));
  EXPECT_EQ(*ParseGoDuration("-300ms"), absl::Milliseconds(-300));
  EXPECT_EQ(*ParseGoDuration("5us"), absl::Microseconds(5));
  EXPECT_EQ(*ParseGoDuration("0"), absl::ZeroDuration());
  EXPECT_EQ(Error(ParseGoDuration("5").status()), "time: missing unit in duration \"5\"");
  EXPECT_EQ(Error(ParseGoDuration("5d").status()), "time: unknown unit \"d\" in duration \"5d\"");
  for (const char* bad : {"", "x", ".", "1.2.3s", "s", "-", "1s2"})
    EXPECT_FALSE(ParseGoDuration(bad).ok()) << bad;
}

TEST(GoTextTest, ShowsDurations) {
  EXPECT_EQ(ShowGoDuration(absl::ZeroDuration()), "0s");
  EXPECT_EQ(ShowGoDuration(absl::Nanoseconds(1)), "1ns");
  EXPECT_EQ(ShowGoDuration(absl::Nanoseconds(1500)), "1.5\xc2\xb5s");
  EXPECT_EQ(ShowGoDuration(absl::Nanoseconds(1048357)), "1.048357ms");
  EXPECT_EQ(ShowGoDuration(absl::Seconds(5)), "5s");
  EXPECT_EQ(ShowGoDuration(absl::Seconds(-90.25)), "-1m30.25s");
  EXPECT_EQ(ShowGoDuration(absl::Hours(26)), "26h0m0s");
}

TEST(GoTextTest, ShowsSizes) {
  EXPECT_EQ(ShowSize(9), "9 B");
  EXPECT_EQ(ShowSize(999), "999 B");
  EXPECT_EQ(ShowSize(1000), "1.0 kB");
  EXPECT_EQ(ShowSize(20480), "20 kB");
  EXPECT_EQ(ShowSize(82854982), "83 MB");
  EXPECT_EQ(ShowSize(9'950'000'000), "10 GB");
}

TEST(GoTextTest, QuotesWhatCannotBePrinted) {
  EXPECT_EQ(Quote("plain"), "\"plain\"");
  EXPECT_EQ(Quote("a\"b\\c\n\x01\x7f"), R"("a\"b\\c\n\x01\x7f")");
  EXPECT_EQ(Quote("\xc3\xa9\xff"), "\"\xc3\xa9\\xff\"");
  EXPECT_EQ(Quote("\xe2\x80\xa8"), R"("\u2028")");
  EXPECT_EQ(Quote("\xc0\x80"), R"("\xc0\x80")");  // Overlong: no character.
}

TEST(GoTextTest, ReadsBackWhatItQuotes) {
  for (const std::string text : {"", "a b", "\"\\\n\t\x01\xff", "\xc3\xa9", "\xe2\x80\xa8 \xff"}) {
    const std::string quoted = Quote(text) + "rest";
    std::string_view left = quoted;
    EXPECT_EQ(TakeQuoted(&left), text);
    EXPECT_EQ(left, "rest");
  }
}

TEST(GoTextTest, RefusesWhatIsNotQuoted) {
  for (std::string_view bad : {"", "a", "\"open", "\"\\", "\"\\x4\"", "\"\\q\"", "\"\\400\"",
                               "\"\\ud800\"", "\"\\U00110000\"", "`open", "\"a\nb\""}) {
    const std::string_view before = bad;
    EXPECT_EQ(TakeQuoted(&bad), std::nullopt) << before;
    EXPECT_EQ(bad, before);
  }
}

TEST(GoTextTest, WritesJsonAndHexadecimal) {
  EXPECT_EQ(JsonQuote("a\"<&>\x01\xff\n"), R"("a\"\u003c\u0026\u003e\u0001\ufffd\n")");
  EXPECT_EQ(Base64("hello"), "aGVsbG8=");
  EXPECT_EQ(HexEscape("a\xff"), R"(\x61\xff)");
}

}  // namespace
}  // namespace trireme::kvcli
