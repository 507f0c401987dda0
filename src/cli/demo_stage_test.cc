#include "cli/demo/stage.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

namespace trireme::demo {
namespace {

TEST(FreePorts, AreNoneThatTheSystemGivesToWhoeverConnects) {
  std::uint16_t first_given = 0;
  std::ifstream("/proc/sys/net/ipv4/ip_local_port_range") >> first_given;
  const auto ports = FreePorts(50);
  ASSERT_TRUE(ports.ok()) << ports.status();
  EXPECT_EQ(std::set<std::uint16_t>(ports->begin(), ports->end()).size(), 50u);
  for (const std::uint16_t port : *ports) EXPECT_LT(port, first_given);
}

}  // namespace
}  // namespace trireme::demo
