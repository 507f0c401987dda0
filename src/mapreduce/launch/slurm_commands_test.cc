#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mapreduce/launch/slurm_launcher.h"
#include "mapreduce/launch/test_programs.h"

namespace trireme::mapreduce::launch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Slurm's commands: sbatch counts jobs, squeue prints the file `queue`.
class SlurmCommandsTest : public TestPrograms {
 protected:
  void SetUp() override {
    TestPrograms::SetUp();
    Program("sbatch", R"(
for a; do echo "$a" >> submitted; done
echo x >> jobs
echo "$(wc -l < jobs);green"
)");
    Program("squeue", R"(
echo "$*" >> asked
[ ! -e refuse ] || { cat refuse >&2; exit 1; }
cat queue
)");
    Program("scancel", R"(
echo "$*" >> cancelled
: > queue
)");
    Write("queue", "1_0|RUNNING|None\n1_1|RUNNING|None\n");
  }
  SlurmOptions Options() {
    SlurmOptions options;
    options.workers = 2;
    options.job_name = "count";
    options.arguments = {"--partition=spot"};
    options.log_directory = "/logs";
    options.command.program = {"/bin/trireme", "mr", "worker"};
    options.command.slots = 3;
    options.command.memory_bytes = 400u << 20;
    options.notice = [this](const std::string& line) { notices_.push_back(line); };
    return options;
  }
  /// Until squeue has been asked again, and its answer seen.
  absl::Status CheckAnew(SlurmLauncher& launcher) {
    const std::string before = Read("asked");
    absl::Status status;
    EXPECT_TRUE(Await([&] {
      status = launcher.Check();
      return !status.ok() || Read("asked") != before;
    }));
    return status;
  }
};

TEST_F(SlurmCommandsTest, AnArrayIsSubmittedAndCancelled) {
  SlurmLauncher launcher(Options());
  ASSERT_TRUE(launcher.Start().ok());
  EXPECT_EQ(Read("submitted"),
            "--parsable\n--array=0-1\n--job-name=count\n--output=/logs/worker-%A-%a.log\n"
            "--open-mode=append\n--requeue\n--ntasks=1\n--cpus-per-task=3\n--mem=564M\n"
            "--partition=spot\n--wrap=exec /bin/trireme mr worker --slots 3 --memory 419430400\n");
  EXPECT_TRUE(CheckAnew(launcher).ok());
  EXPECT_THAT(Read("asked"), HasSubstr("--jobs=1 --format=%i|%T|%r --clusters=green"));
  launcher.Stop();
  launcher.Stop();
  EXPECT_EQ(Read("cancelled"), "--clusters=green 1\n");
  EXPECT_THAT(notices_, ElementsAre());
}

TEST_F(SlurmCommandsTest, WhatSlurmEndsIsReplacedWhatFailsIsNot) {
  SlurmLauncher launcher(Options());
  ASSERT_TRUE(launcher.Start().ok());
  Write("queue", "1_0|TIMEOUT|None\n1_1|FAILED|NonZeroExitCode\n");
  EXPECT_TRUE(CheckAnew(launcher).ok());
  EXPECT_THAT(Read("submitted"), HasSubstr("--array=0-0\n"));
  EXPECT_THAT(notices_, ElementsAre("Slurm's task 1_0: TIMEOUT (another takes its place)",
                                    "Slurm's task 1_1: FAILED (the job goes on without it)"));
  Write("queue", "1_0|TIMEOUT|None\n1_1|FAILED|NonZeroExitCode\n2_0|CANCELLED|None\n");
  EXPECT_EQ(CheckAnew(launcher).message(),
            "no worker is left in Slurm's job 1,2: last Slurm's task 2_0: CANCELLED");
}

TEST_F(SlurmCommandsTest, WhyNothingRunsIsSaidOnce) {
  SlurmLauncher launcher(Options());
  ASSERT_TRUE(launcher.Start().ok());
  Write("queue", "1_0|PENDING|Resources\n1_1|PENDING|Resources\n");
  EXPECT_TRUE(CheckAnew(launcher).ok());
  EXPECT_TRUE(CheckAnew(launcher).ok());
  EXPECT_THAT(notices_, ElementsAre("Slurm's job 1 waits: Resources"));
}

TEST_F(SlurmCommandsTest, AControllerThatDoesNotAnswerEndsNothing) {
  SlurmLauncher launcher(Options());
  ASSERT_TRUE(launcher.Start().ok());
  Write("refuse", "slurm_load_jobs error: Unable to contact slurm controller\n");
  EXPECT_TRUE(CheckAnew(launcher).ok());
  EXPECT_TRUE(CheckAnew(launcher).ok());
  EXPECT_THAT(notices_, ElementsAre(HasSubstr("Unable to contact slurm controller")));
  EXPECT_EQ(Read("jobs"), "x\n");
}

TEST_F(SlurmCommandsTest, TasksThatSlurmHasForgottenAreReplaced) {
  SlurmLauncher launcher(Options());
  ASSERT_TRUE(launcher.Start().ok());
  Write("refuse", "slurm_load_jobs error: Invalid job id specified\n");
  EXPECT_TRUE(CheckAnew(launcher).ok());
  EXPECT_EQ(Read("jobs"), "x\nx\n");
}

TEST_F(SlurmCommandsTest, ARefusalIsQuoted) {
  Program("sbatch", "echo 'sbatch: error: no account' >&2; exit 1");
  SlurmLauncher launcher(Options());
  EXPECT_EQ(launcher.Start().message(), "sbatch refuses the workers: sbatch: error: no account");
  launcher.Stop();
  EXPECT_EQ(Read("cancelled"), "");
}

}  // namespace
}  // namespace trireme::mapreduce::launch
