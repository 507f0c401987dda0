#include "rpc/local_host.h"

#include <gtest/gtest.h>

namespace trireme::rpc {
namespace {

TEST(LocalHostTest, TowardsLoopbackIsLoopback) {
  EXPECT_EQ(*HostTowards({Address::Kind::kTcp, {}, "127.0.0.1", 7070}), "127.0.0.1");
  EXPECT_TRUE(HostTowards({Address::Kind::kTcp, {}, "127.9.8.7", 0})->starts_with("127."));
}

TEST(LocalHostTest, APeerWithoutANameIsNamed) {
  const auto host = HostTowards({Address::Kind::kTcp, {}, "no-such-host.invalid", 7070});
  ASSERT_FALSE(host.ok());
  EXPECT_NE(host.status().message().find("no-such-host.invalid:7070"), std::string::npos)
      << host.status();
}

TEST(LocalHostTest, OwnHostIsOfThisMachine) {
  const std::string own = OwnHost();
  // What is ours is reached from itself.
  EXPECT_EQ(*HostTowards({Address::Kind::kTcp, {}, own, 1}), own);
}

}  // namespace
}  // namespace trireme::rpc
