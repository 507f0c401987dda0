#include "rpc/address.h"

#include <gtest/gtest.h>

namespace trireme::rpc {
namespace {

TEST(Address, ReadsWhatItWrites) {
  for (const char* text : {"unix:/run/trireme.sock", "unix:relative", "localhost:0", "10.0.0.1:80",
                           "[::1]:65535", "[fe80::1%eth0]:1"}) {
    const auto address = ParseAddress(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->ToString(), text);
    EXPECT_EQ(*ParseAddress(address->ToString()), *address);
  }
}

TEST(Address, Parts) {
  const auto address = ParseAddress("[::1]:8080");
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(address->kind, Address::Kind::kTcp);
  EXPECT_EQ(address->host, "::1");
  EXPECT_EQ(address->port, 8080);
}

TEST(Address, RefusesAndSaysWhy) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "has no port"},
      {"localhost", "has no port"},
      {":80", "has no host"},
      {"[]:80", "has no host"},
      {"host:", "port that is not a number"},
      {"host:65536", "port that is not a number"},
      {"host:-1", "port that is not a number"},
      {"host:80x", "port that is not a number"},
      {"::1:80", "IPv6 host without brackets"},
      {"[host]:80", "brackets around no IPv6 host"},
      {"ho st:80", "a character that no host name has"},
      {"http://host:80", "a character that no host name has"},
      {"unix:", "empty socket path"},
      {"unix:" + std::string(108, 'x'), "socket path of 108 bytes"},
      {std::string("unix:a\0b", 8), "zero byte"},
  };
  for (const auto& [text, why] : cases) {
    const auto address = ParseAddress(text);
    ASSERT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument) << text;
    const std::string message(address.status().message());
    EXPECT_NE(message.find(why), std::string::npos) << message;
    EXPECT_NE(message.find("write unix:/path, host:port or [ipv6]:port"), std::string::npos);
  }
}

}  // namespace
}  // namespace trireme::rpc
