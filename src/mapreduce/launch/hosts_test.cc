#include "mapreduce/launch/hosts.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace trireme::mapreduce::launch {
namespace {

TEST(HostsTest, NamesUsersAndSlots) {
  EXPECT_EQ(*ParseHosts("a,me@b*4, c"), (std::vector<Host>{{"a", 0}, {"me@b", 4}, {"c", 0}}));
}

TEST(HostsTest, WhatIsNoHostIsNamed) {
  for (const char* text : {"", "a,,b", "a,", "*4", "a*", "a*0", "a*x", "a*4097", "-oProxyCommand=x",
                           "a b", "a\nb", "a,b*2,a"}) {
    const auto hosts = ParseHosts(text);
    EXPECT_FALSE(hosts.ok()) << text;
    EXPECT_NE(hosts.status().message().find("write host, user@host"), std::string::npos)
        << hosts.status();
  }
}

class HostsFileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "hosts-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string Write(const std::string& text) {
    const std::string path = directory_ + "/hosts";
    std::ofstream(path) << text;
    return "@" + path;
  }
  std::string directory_;
};

TEST_F(HostsFileTest, LinesCommentsAndBlanks) {
  EXPECT_EQ(*ReadHosts(Write("# the rack\n\n  a*2  # the fast one\nb,c\n")),
            (std::vector<Host>{{"a", 2}, {"b", 0}, {"c", 0}}));
}

TEST_F(HostsFileTest, WhatIsWrongIsSaidWithTheFile) {
  for (const std::string& text : {std::string("# none\n"), std::string("a\n-b\n"),
                                  std::string(kHostsFileBytesMax + 1, 'x')}) {
    const auto hosts = ReadHosts(Write(text));
    ASSERT_FALSE(hosts.ok());
    EXPECT_NE(hosts.status().message().find(directory_), std::string::npos) << hosts.status();
  }
  EXPECT_FALSE(ReadHosts("@" + directory_ + "/nothing").ok());
}

}  // namespace
}  // namespace trireme::mapreduce::launch
