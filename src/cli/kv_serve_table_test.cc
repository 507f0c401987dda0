#include "cli/kv_serve_table.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>

namespace trireme::cli {
namespace {

std::string Row(const ServeFlag& flag) {
  const char* use = flag.use == FlagUse::kWorks     ? "works"
                    : flag.use == FlagUse::kIgnored ? "ignored"
                    : flag.use == FlagUse::kRefused ? "refused"
                                                    : "ours";
  return "| `" + std::string(flag.name) + "` | " + use + " | " + std::string(flag.what) + " |\n";
}

TEST(ServeTableTest, ThePageHasExactlyItsRows) {
  std::ifstream file(TRIREME_ETCD_PAGE);
  const std::string page((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::string head = "| flag | state | meaning, or why not |\n|---|---|---|\n";
  const std::size_t at = page.find(head);
  ASSERT_NE(at, std::string::npos) << TRIREME_ETCD_PAGE;
  std::string rows;
  for (const ServeFlag& flag : ServeFlags()) rows += Row(flag);
  EXPECT_EQ(page.substr(at + head.size()), rows) << "put the table's rows into the page";
}

TEST(ServeTableTest, EachFlagOnceAndWithAReason) {
  std::set<std::string_view> names;
  for (const ServeFlag& flag : ServeFlags()) {
    EXPECT_TRUE(names.insert(flag.name).second) << flag.name;
    EXPECT_TRUE(flag.name.starts_with("--")) << flag.name;
    EXPECT_FALSE(flag.what.empty()) << flag.name;
    EXPECT_EQ(FindServeFlag(flag.name), &flag);
  }
  EXPECT_EQ(FindServeFlag("--none"), nullptr);
  EXPECT_EQ(VariableOf("--listen-client-urls"), "ETCD_LISTEN_CLIENT_URLS");
}

}  // namespace
}  // namespace trireme::cli
