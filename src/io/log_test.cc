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

TEST(Log, AnUnknownLevelIsNamed) {
  const absl::Status status = SetLogLevel("loud");
  EXPECT_NE(std::string(status.message()).find("'loud'"), std::string::npos);
}

}  // namespace
}  // namespace trireme::io
