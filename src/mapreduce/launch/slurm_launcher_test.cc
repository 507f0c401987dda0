#include "mapreduce/launch/slurm_launcher.h"

#include <gtest/gtest.h>

namespace trireme::mapreduce::launch {
namespace {

TEST(SlurmTest, OptionsBecomeSbatchArguments) {
  EXPECT_EQ(*ParseSlurmOptions("partition=spot,time=1:00:00,exclusive"),
            (std::vector<std::string>{"--partition=spot", "--time=1:00:00", "--exclusive"}));
  EXPECT_TRUE(ParseSlurmOptions("")->empty());
  for (const char* text : {"--partition=spot", "a=b,,c", "=b"})
    EXPECT_FALSE(ParseSlurmOptions(text).ok()) << text;
}

TEST(SlurmTest, TasksOfAnAnswer) {
  EXPECT_EQ(
      ParseTasks(
          "7_0|RUNNING|None\n7_1|PENDING|Resources (a|b)\n\nwarning: x\n|RUNNING|\n8|FAILED"),
      (std::vector<SlurmTask>{
          {"7_0", "RUNNING", "None"}, {"7_1", "PENDING", "Resources (a|b)"}, {"8", "FAILED", ""}}));
  EXPECT_TRUE(ParseTasks("").empty());
}

TEST(SlurmTest, FatesOfStates) {
  EXPECT_EQ(FateOf("PENDING"), TaskFate::kAlive);
  EXPECT_EQ(FateOf("SUSPENDED"), TaskFate::kAlive);
  EXPECT_EQ(FateOf("COMPLETING"), TaskFate::kAlive);
  EXPECT_EQ(FateOf("TIMEOUT"), TaskFate::kReplace);
  EXPECT_EQ(FateOf("PREEMPTED"), TaskFate::kReplace);
  EXPECT_EQ(FateOf("NODE_FAIL"), TaskFate::kReplace);
  EXPECT_EQ(FateOf("CANCELLED"), TaskFate::kFinished);
  EXPECT_EQ(FateOf("FAILED"), TaskFate::kFinished);
  EXPECT_EQ(FateOf("OUT_OF_MEMORY"), TaskFate::kFinished);
}

}  // namespace
}  // namespace trireme::mapreduce::launch
