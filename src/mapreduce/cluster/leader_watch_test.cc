#include "mapreduce/cluster/leader_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace trireme::mapreduce::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(LeaderValue, ComesBack) {
  const auto addresses = ParseAddresses("host:1,unix:/run/c.sock,[::1]:7");
  ASSERT_EQ(addresses.size(), 3u);
  const auto leader = DecodeLeader(EncodeLeader(addresses, "host:42", "http://host:7071/"));
  ASSERT_TRUE(leader.ok()) << leader.status();
  EXPECT_EQ(leader->addresses, addresses);
  EXPECT_EQ(leader->id, "host:42");
  EXPECT_EQ(leader->page, "http://host:7071/");
  EXPECT_EQ(DecodeLeader(EncodeLeader(addresses, "host:42", ""))->page, "");
}

TEST(LeaderValue, WhatIsNoPageIsNotShown) {
  for (const std::string page :
       {"javascript:alert(1)", "https://host/", "http://a b/", "http://host/\n", "//host/"}) {
    const auto leader = DecodeLeader(EncodeLeader(ParseAddresses("a:1"), "x", page));
    ASSERT_TRUE(leader.ok()) << page;
    EXPECT_EQ(leader->page, "") << page;
  }
  const std::string longest = "http://" + std::string(kLeaderPageBytesMax - 7, 'a');
  EXPECT_EQ(DecodeLeader(EncodeLeader(ParseAddresses("a:1"), "x", longest))->page, longest);
  EXPECT_EQ(DecodeLeader(EncodeLeader(ParseAddresses("a:1"), "x", longest + "a"))->page, "");
}

TEST(LeaderValue, WhatIsNoneIsRefused) {
  for (const char* bytes :
       {"", "{", "[]", "7", "{}", R"({"addresses":7})", R"({"addresses":[]})",
        R"({"addresses":[7]})", R"({"addresses":["no address"]})", "\xff\xfe",
        R"({"addresses":["a:1","a:1","a:1","a:1","a:1","a:1","a:1","a:1","a:1","a:1","a:1","a:1",)"
        R"("a:1","a:1","a:1","a:1","a:1"]})"}) {
    EXPECT_FALSE(DecodeLeader(bytes).ok()) << bytes;
  }
}

TEST(LeaderValue, MoreFieldsAreForLater) {
  EXPECT_TRUE(DecodeLeader(R"({"addresses":["a:1"],"id":7,"more":{}})").ok());
}

TEST(Addresses, WhatIsNoneIsLeftOut) {
  EXPECT_THAT(ParseAddresses(""), IsEmpty());
  EXPECT_THAT(ParseAddresses("none,,"), IsEmpty());
  EXPECT_EQ(JoinAddresses(ParseAddresses("a:1,none,b:2")), "a:1,b:2");
}

}  // namespace
}  // namespace trireme::mapreduce::cluster
