#include "cli/kv_config_file.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace trireme::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ConfigFileTest, KeysAreFlags) {
  const auto flags = FlagsInConfig(R"(# as etcd's sample has it
name: 'm1'
data-dir:
wal-dir: ~
snapshot-count: 10000
listen-client-urls: http://127.0.0.1:2379,http://127.0.0.1:4001
client-transport-security:
  cert-file: c.pem
  key-file: ""
  client-cert-auth: true
peer-transport-security:
  cert-file: p.pem
  allowed-cn: who
  trusted-ca-file: ca.pem
log-outputs: [stderr, 'a file']
)");
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_THAT(*flags,
              ElementsAre("--name=m1", "--snapshot-count=10000",
                          "--listen-client-urls=http://127.0.0.1:2379,http://127.0.0.1:4001",
                          "--cert-file=c.pem", "--client-cert-auth=true", "--peer-cert-file=p.pem",
                          "--peer-cert-allowed-cn=who", "--peer-trusted-ca-file=ca.pem",
                          "--log-outputs=stderr,a file"));
  EXPECT_THAT(*FlagsInConfig("# nothing\n"), ElementsAre());
}

TEST(ConfigFileTest, FaultsHaveALine) {
  for (const auto& [text, error] :
       {std::pair("name: m1\nnmae: m2\n", "line 2: there is no key 'nmae'"),
        {"- a\n", "line 1: give keys with values"},
        {"name: {a: b}\n", "line 1: give one value for 'name'"},
        {"client-transport-security: x\n", "line 1: give keys"},
        {"config-file: x\n", "line 1: there is no key 'config-file'"},
        {"name: 'm1\n", "line 2: "},
        {"a: b: c\n", "line 1: "}})
    EXPECT_THAT(std::string(FlagsInConfig(text).status().message()), HasSubstr(error)) << text;
  EXPECT_THAT(std::string(FlagsInConfigFile("/no/such").status().message()),
              HasSubstr("--config-file '/no/such': give a file"));
}

TEST(ConfigFileTest, IsNamedByAFlag) {
  EXPECT_EQ(ConfigFileIn({"--name", "x", "--config-file", "a"}), "a");
  EXPECT_EQ(ConfigFileIn({"--config-file=b"}), "b");
  EXPECT_EQ(ConfigFileIn({"--name", "x"}), "");
}

}  // namespace
}  // namespace trireme::cli
