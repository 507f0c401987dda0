#include "io/log.h"

#include <gtest/gtest.h>

namespace trireme::io {
namespace {

std::string Logged(LogLevel level) {
  testing::internal::CaptureStderr();
  Log(level, "attempt failed", {{"task", "map 3"}, {"exit", "7"}, {"note", "a \"b\"\n"}});
  return testing::internal::GetCapturedStderr();
}

TEST(Log, IsQuietUntilAskedAndThenOneLineOfPairs) {
  EXPECT_EQ(Logged(LogLevel::kInfo), "");
  ASSERT_TRUE(SetLogLevel("info").ok());
  const std::string line = Logged(LogLevel::kInfo);
  EXPECT_NE(line.find("level=info event=\"attempt failed\" task=\"map 3\" exit=7 "
                      "note=\"a \\\"b\\\"\\n\"\n"),
            std::string::npos)
      << line;
  EXPECT_EQ(line.find("time="), 0u);
  EXPECT_EQ(Logged(LogLevel::kDebug), "");
  ASSERT_TRUE(SetLogLevel("warn").ok());
}

TEST(Log, TheNewestLinesAreKeptForPages) {
  Log(LogLevel::kInfo, "before", {});
  EXPECT_TRUE(RecentLog(10).empty());
  KeepRecentLog(LogLevel::kInfo, 3);
  for (int i = 1; i <= 5; ++i) Log(LogLevel::kInfo, "number", {{"n", std::to_string(i)}});
  Log(LogLevel::kDebug, "not kept", {});
  const std::vector<LogLine> lines = RecentLog(10);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0].text, "event=number n=3");
  EXPECT_EQ(lines[2].text, "event=number n=5");
  EXPECT_EQ(lines[2].number, lines[1].number + 1);
  EXPECT_GT(lines[2].unix_ms, 0);
  EXPECT_EQ(RecentLog(1).front().text, "event=number n=5");
  testing::internal::CaptureStderr();
  Log(LogLevel::kWarn, "long", {{"x", std::string(5000, 'x')}});
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(RecentLog(1).front().text.size(), kRecentLogLineBytesMax);
  EXPECT_EQ(RecentLog(1).front().level, LogLevel::kWarn);
}

TEST(Log, AnUnknownLevelIsNamed) {
  const absl::Status status = SetLogLevel("loud");
  EXPECT_NE(std::string(status.message()).find("'loud'"), std::string::npos);
}

}  // namespace
}  // namespace trireme::io
