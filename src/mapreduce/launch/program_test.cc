#include "mapreduce/launch/program.h"

#include <gtest/gtest.h>

namespace trireme::mapreduce::launch {
namespace {

TEST(ProgramTest, BothStreamsAndTheStatus) {
  const auto output = RunProgram({"sh", "-c", "echo out; echo err >&2; cat; exit 3"});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->out, "out\n");
  EXPECT_EQ(output->err, "err\n");
  EXPECT_EQ(output->status.code, 3);
}

TEST(ProgramTest, OneThatIsNotThereIsNamed) {
  const auto output = RunProgram({"no-such-program"});
  EXPECT_EQ(output.status().message(), "there is no program no-such-program in $PATH");
}

TEST(ProgramTest, PatienceEnds) {
  const auto output = RunProgram({"sleep", "1000"}, /*patience_ms=*/50);
  EXPECT_EQ(output.status().message(), "sleep takes too long");
}

TEST(ProgramTest, PrintingTooMuchIsEnded) {
  EXPECT_TRUE(absl::IsResourceExhausted(RunProgram({"yes"}).status()));
}

TEST(ProgramTest, AShellReadsALineBackAsItsArguments) {
  const std::vector<std::string> arguments = {"printf", "%s\\n",     "plain", "",   "two words",
                                              "it's",   "$HOME `x`", "a\nb",  "*?", "\\"};
  const auto output = RunProgram({"sh", "-c", ShellLine(arguments)});
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->out, "plain\n\ntwo words\nit's\n$HOME `x`\na\nb\n*?\n\\\n");
}

TEST(ProgramTest, TheLastLineThatSaysAnything) {
  EXPECT_EQ(LastLine("a\nb\n\n  \n"), "b");
  EXPECT_EQ(LastLine("a\r\nc\x1b[31m"), "c [31m");
  EXPECT_EQ(LastLine("\n"), "");
}

}  // namespace
}  // namespace trireme::mapreduce::launch
