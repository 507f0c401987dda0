#include "mapreduce/launch/ssh_launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "mapreduce/launch/test_programs.h"

namespace trireme::mapreduce::launch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// `ssh` runs the remote command here; the host `down` is not reached.
class SshLauncherTest : public TestPrograms {
 protected:
  void SetUp() override {
    TestPrograms::SetUp();
    Program("ssh", R"(
echo "$@" >> calls
while [ $# -gt 2 ]; do shift; done
if [ "$1" = down ]; then echo 'ssh: connect to host down: refused' >&2; exit 255; fi
HOST=$1 exec sh -c "$2"
)");
  }
  SshOptions Options(const std::string& hosts, const std::string& worker) {
    SshOptions options;
    options.hosts = *ParseHosts(hosts);
    options.arguments = {"-F", "the config"};
    options.log_path = At("log");
    options.command.program = {"sh", "-c", worker, "worker"};
    options.command.arguments = {"--coordinator", "it's here"};
    options.notice = [this](const std::string& line) { notices_.push_back(line); };
    return options;
  }
};

TEST_F(SshLauncherTest, WorkersGetTheirArgumentsAndEndWithTheirInput) {
  SshLauncher launcher(
      Options("a,me@b*3", R"(echo "serving map outputs on $HOST: $*"; cat; echo "end $HOST")"));
  ASSERT_TRUE(launcher.Start().ok());
  const auto logged = [&](const std::string& text) {
    EXPECT_TRUE(launcher.Check().ok());
    return Read("log").find(text) != std::string::npos;
  };
  EXPECT_TRUE(Await([&] {
    return logged("a: serving map outputs on a: --coordinator it's here --stop-on-eof\n");
  }));
  EXPECT_TRUE(Await([&] {
    return logged(
        "me@b: serving map outputs on me@b: --coordinator it's here --slots 3 --stop-on-eof\n");
  }));
  launcher.Stop();
  EXPECT_THAT(Read("log"), HasSubstr("a: end a\n"));
  EXPECT_THAT(Read("log"), HasSubstr("me@b: end me@b\n"));
  EXPECT_THAT(Read("calls"), HasSubstr("-oBatchMode=yes"));
  EXPECT_THAT(Read("calls"), HasSubstr("-F the config a exec sh -c"));
  EXPECT_THAT(notices_, ElementsAre());
}

TEST_F(SshLauncherTest, AHostThatIsDownIsDoneWithout) {
  SshLauncher launcher(Options("down,a", "cat"));
  ASSERT_TRUE(launcher.Start().ok());
  EXPECT_TRUE(Await([&] {
    EXPECT_TRUE(launcher.Check().ok());
    return !notices_.empty();
  }));
  launcher.Stop();
  EXPECT_THAT(notices_, ElementsAre("down: ssh: connect to host down: refused (the job goes on "
                                    "without this host)"));
}

TEST_F(SshLauncherTest, NobodyLeftIsAnError) {
  SshLauncher launcher(Options("down,a", "echo 'no such option'; exit 2"));
  ASSERT_TRUE(launcher.Start().ok());
  absl::Status status;
  EXPECT_TRUE(Await([&] { return !(status = launcher.Check()).ok(); }));
  EXPECT_THAT(std::string(status.message()),
              testing::MatchesRegex("no worker is left on any of the 2 hosts; first (down: ssh: "
                                    "connect to host down: refused|a: no such option)"));
  EXPECT_EQ(notices_.size(), 2u);
}

TEST_F(SshLauncherTest, WhatIsPrintedIsLinesOfTheLogHoweverItComes) {
  SshLauncher launcher(Options("a", "printf 'one\\n\\ntwo'; printf %040000d 0; printf '\\nthree'"));
  ASSERT_TRUE(launcher.Start().ok());
  EXPECT_TRUE(Await([&] { return !launcher.Check().ok(); }));
  const std::string log = Read("log");
  EXPECT_TRUE(log.starts_with("a: one\na: \na: two000"));
  EXPECT_TRUE(log.ends_with("0\na: three\n"));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 6);  // 40,003 bytes are three lines
}

}  // namespace
}  // namespace trireme::mapreduce::launch
