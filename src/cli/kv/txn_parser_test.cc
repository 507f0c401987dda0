#include "cli/kv/txn_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/kv/failure.h"

namespace trireme::kvcli {
namespace {

using etcdserverpb::Compare;
using testing::ElementsAre;

std::string CompareError(std::string_view line) {
  const auto compare = ParseCompare(line);
  EXPECT_EQ(ExitCodeOf(compare.status()), kInvalidInput);
  return std::string(compare.status().message());
}

std::string RequestError(std::string_view line, int exit_code = kInvalidInput) {
  const auto request = ParseRequest(line);
  EXPECT_EQ(ExitCodeOf(request.status()), exit_code) << line;
  return std::string(request.status().message());
}

TEST(TxnParserTest, SplitsWords) {
  EXPECT_THAT(*SplitWords("put  a\tb "), ElementsAre("put", "a", "b"));
  EXPECT_THAT(*SplitWords(R"(put "a \"b\" \x41" 'it is \n')"),
              ElementsAre("put", "a \"b\" A", "it is \\n"));
  EXPECT_THAT(*SplitWords(R"("a"b it's a"b"c)"), ElementsAre("a", "b", "it's", "a\"b\"c"));
  EXPECT_THAT(*SplitWords(R"(put "open)"), ElementsAre("put", "open"));
  EXPECT_THAT(*SplitWords(R"("" '')"), ElementsAre("", ""));
  EXPECT_THAT(*SplitWords(""), ElementsAre());
  EXPECT_FALSE(SplitWords(R"("\q")").ok());
}

TEST(TxnParserTest, ReadsCompares) {
  const auto value = ParseCompare(R"(val("a b") = "c\n")");
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->key(), "a b");
  EXPECT_EQ(value->value(), "c\n");
  EXPECT_EQ(value->target(), Compare::VALUE);
  EXPECT_EQ(value->result(), Compare::EQUAL);
  EXPECT_EQ(ParseCompare(R"(mod("k") > "7")")->mod_revision(), 7);
  EXPECT_EQ(ParseCompare(R"(m("k") > "7")")->result(), Compare::GREATER);
  EXPECT_EQ(ParseCompare(R"(create("k")  !=   "7")")->create_revision(), 7);
  EXPECT_EQ(ParseCompare(R"(c("k") != "7")")->result(), Compare::NOT_EQUAL);
  EXPECT_EQ(ParseCompare(R"(version("k") < "7")")->version(), 7);
  EXPECT_EQ(ParseCompare(R"(ver("k") < "-7")")->version(), -7);
  EXPECT_EQ(ParseCompare(R"(lease("k") = "1f")")->lease(), 31);
  EXPECT_EQ(ParseCompare("value(`k`) = `v`")->value(), "v");
}

TEST(TxnParserTest, SaysWhatIsMalformedInACompare) {
  EXPECT_EQ(CompareError("val"), "malformed comparison: val");
  EXPECT_EQ(CompareError(R"(bad("k") = "1")"),
            R"(malformed comparison: bad("k") = "1" (unknown target bad))");
  EXPECT_EQ(CompareError(R"(mod("k") == "1")"),
            R"(malformed comparison: mod("k") == "1" (unknown relation ==))");
  EXPECT_EQ(CompareError(R"(mod("k") = 1)"),
            R"(malformed comparison: mod("k") = 1; got mod("k") = "")");
  EXPECT_EQ(CompareError(R"(mod("k")="1")"),
            R"(malformed comparison: mod("k")="1"; got mod("k")  "")");
  EXPECT_EQ(CompareError(R"(mod("k") = "x")"),
            "invalid txn compare request: mod(\"k\") = \"x\" (strconv.ParseInt: parsing \"x\": "
            "invalid syntax)");
  EXPECT_FALSE(ParseCompare(R"(mod("k") = "9223372036854775808")").ok());
}

TEST(TxnParserTest, ReadsRequests) {
  const auto put = ParseRequest(R"(put "a" 'b c' --prev-kv --lease=1f)");
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->request_put().key(), "a");
  EXPECT_EQ(put->request_put().value(), "b c");
  EXPECT_TRUE(put->request_put().prev_kv());
  EXPECT_EQ(put->request_put().lease(), 31);
  const auto get = ParseRequest("get a --prefix --limit 3 --order descend --consistency=s");
  ASSERT_TRUE(get.ok()) << get.status();
  EXPECT_EQ(get->request_range().range_end(), "b");
  EXPECT_EQ(get->request_range().limit(), 3);
  EXPECT_EQ(get->request_range().sort_order(), etcdserverpb::RangeRequest::DESCEND);
  EXPECT_TRUE(get->request_range().serializable());
  const auto del = ParseRequest("del a b --prev-kv");
  ASSERT_TRUE(del.ok()) << del.status();
  EXPECT_EQ(del->request_delete_range().range_end(), "b");
}

TEST(TxnParserTest, SaysWhatIsWrongWithARequest) {
  EXPECT_EQ(RequestError("put"), "invalid txn compare request: put");
  EXPECT_EQ(RequestError("foo k"), "invalid txn request: foo k");
  EXPECT_EQ(RequestError("put k v --bogus"),
            "invalid txn request: put k v --bogus (unknown flag: --bogus)");
  EXPECT_EQ(RequestError("put k", kBadArguments),
            "put command needs 1 argument and input from stdin or 2 arguments");
  EXPECT_EQ(RequestError("get a b --prefix", kBadArguments),
            "too many arguments, only accept one argument when `--prefix` or `--from-key` is set");
}

}  // namespace
}  // namespace trireme::kvcli
