#include <gtest/gtest.h>

#include "cli/kv/failure.h"
#include "cli/kv/printer.h"
#include "cli/kv/rows.h"
#include "cli/kv/watch_words.h"

namespace trireme::kvcli {
namespace {

// What etcdctl 3.4 prints the same of a live server is in tests/kv; here is what it cannot be
// brought to print there.
std::string Shown(std::string_view format, const etcdserverpb::AlarmResponse& reply) {
  return *(*MakePrinter(format, false))->Alarms(reply);
}

TEST(PrinterTest, ShowsAlarms) {
  etcdserverpb::AlarmResponse reply;
  auto& alarm = *reply.add_alarms();
  alarm.set_memberid(3319814642761637952);
  alarm.set_alarm(etcdserverpb::NOSPACE);
  EXPECT_EQ(Shown("simple", reply), "memberID:3319814642761637952 alarm:NOSPACE \n");
  EXPECT_EQ(Shown("json", reply),
            "{\"alarms\":[{\"memberID\":3319814642761637952,\"alarm\":1}]}\n");
  EXPECT_EQ(Shown("fields", reply),
            "\"ClusterID\" : 0\n\"MemberID\" : 0\n\"Revision\" : 0\n\"RaftTerm\" : 0\n"
            "\"MemberID\" : 3319814642761637952\n\"AlarmType\" : NOSPACE\n\n");
}

TEST(PrinterTest, NestsTransactions) {
  etcdserverpb::TxnResponse reply;
  reply.set_succeeded(true);
  auto& inner = *reply.add_responses()->mutable_response_txn();
  inner.add_responses()->mutable_response_delete_range()->set_deleted(2);
  EXPECT_EQ(*MakeSimplePrinter(false)->Txn(reply), "SUCCESS\n\nFAILURE\n\n2\n");
  EXPECT_EQ(*MakeJsonPrinter()->Txn(reply),
            "{\"succeeded\":true,\"responses\":[{\"Response\":{\"ResponseTxn\":{\"responses\":[{"
            "\"Response\":{\"ResponseDeleteRange\":{\"deleted\":2}}}]}}}]}\n");
}

TEST(PrinterTest, CountsCharactersInTables) {
  EXPECT_EQ(Table({{"took", "x"}, {{"1.5\xc2\xb5s", "abc"}}}),
            "+-------+-----+\n| TOOK  |  X  |\n+-------+-----+\n| 1.5\xc2\xb5s | abc |\n"
            "+-------+-----+\n");
}

TEST(PrinterTest, RefusesOtherFormats) {
  EXPECT_EQ(ExitCodeOf(MakePrinter("yaml", false).status()), kBadFeature);
  const auto table = MakeTablePrinter()->Put({});
  EXPECT_EQ(ExitCodeOf(table.status()), kBadFeature);
  EXPECT_EQ(Describe(table.status()), "table not supported as output format");
}

TEST(WatchWordsTest, ReadsRangesAndPrograms) {
  WatchWords words;
  ASSERT_TRUE(words.Read({"a", "b", "echo", "-n"}, 2, "", "").ok());
  EXPECT_EQ(words.request.key(), "a");
  EXPECT_EQ(words.request.range_end(), "b");
  EXPECT_EQ(words.program, (std::vector<std::string>{"echo", "-n"}));
  WatchWords variable;
  ASSERT_TRUE(variable.Read({"echo"}, 0, "k", "m").ok());
  EXPECT_EQ(variable.request.key() + variable.request.range_end(), "km");
  EXPECT_EQ(WatchWords().Read({"a", "b", "c"}, std::string::npos, "", "").message(),
            "bad number of arguments");
}

}  // namespace
}  // namespace trireme::kvcli
