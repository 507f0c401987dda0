#include "cli/kv/flag_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace trireme::kvcli {
namespace {

using testing::ElementsAre;

struct Flags {
  Flags() {
    set.Bool("prefix", &prefix, "");
    set.Bool("interactive", &interactive, "", 'i');
    set.Text("write-out", &write_out, "", 'w');
    set.Number("rev", &rev, "");
    set.Duration("wait", &wait, "");
    set.List("endpoints", &endpoints, "");
  }
  std::vector<std::string> Words(std::vector<std::string> arguments) {
    auto words = set.Parse(arguments);
    EXPECT_TRUE(words.ok()) << words.status();
    return words.ok() ? *words : std::vector<std::string>();
  }
  std::string Refusal(std::vector<std::string> arguments) {
    return std::string(set.Parse(arguments).status().message());
  }

  FlagSet set;
  bool prefix = false, interactive = false;
  std::string write_out = "simple";
  std::int64_t rev = 0;
  absl::Duration wait = absl::Seconds(1);
  std::vector<std::string> endpoints = {"default"};
};

TEST(FlagSetTest, TakesFlagsAmongArguments) {
  Flags flags;
  EXPECT_THAT(flags.Words({"a", "--rev", "-5", "--prefix", "b", "-w=json", "--wait=2m"}),
              ElementsAre("a", "b"));
  EXPECT_EQ(flags.rev, -5);
  EXPECT_TRUE(flags.prefix);
  EXPECT_EQ(flags.write_out, "json");
  EXPECT_EQ(flags.wait, absl::Minutes(2));
  EXPECT_TRUE(flags.set.Given("rev"));
  EXPECT_FALSE(flags.set.Given("interactive"));
}

TEST(FlagSetTest, TakesLettersTogether) {
  Flags flags;
  EXPECT_THAT(flags.Words({"-iwjson", "x"}), ElementsAre("x"));
  EXPECT_TRUE(flags.interactive);
  EXPECT_EQ(flags.write_out, "json");
  EXPECT_THAT(flags.Words({"-i=false", "-w", "table"}), ElementsAre());
  EXPECT_FALSE(flags.interactive);
  EXPECT_EQ(flags.write_out, "table");
}

TEST(FlagSetTest, EndsAtTwoDashes) {
  Flags flags;
  EXPECT_THAT(flags.Words({"a", "--", "--prefix", "-x"}), ElementsAre("a", "--prefix", "-x"));
  EXPECT_EQ(flags.set.before_dashes(), 1u);
  EXPECT_FALSE(flags.prefix);
}

TEST(FlagSetTest, AnArgumentMayBeADashOrEmpty) {
  Flags flags;
  EXPECT_THAT(flags.Words({"-", "", "--prefix=false"}), ElementsAre("-", ""));
}

TEST(FlagSetTest, ListsReplaceTheDefaultAndAdd) {
  Flags flags;
  flags.Words({"--endpoints", "a,b", "--endpoints=c"});
  EXPECT_THAT(flags.endpoints, ElementsAre("a", "b", "c"));
}

TEST(FlagSetTest, SaysWhatIsWrong) {
  Flags flags;
  EXPECT_EQ(flags.Refusal({"--bogus"}), "unknown flag: --bogus");
  EXPECT_EQ(flags.Refusal({"--bogus=1"}), "unknown flag: --bogus");
  EXPECT_EQ(flags.Refusal({"-ix"}), "unknown shorthand flag: 'x' in -ix");
  EXPECT_EQ(flags.Refusal({"--rev"}), "flag needs an argument: --rev");
  EXPECT_EQ(flags.Refusal({"-w"}), "flag needs an argument: 'w' in -w");
  EXPECT_EQ(flags.Refusal({"--rev=x"}),
            "invalid argument \"x\" for \"--rev\" flag: strconv.ParseInt: parsing \"x\": invalid "
            "syntax");
  EXPECT_EQ(flags.Refusal({"--prefix=maybe"}),
            "invalid argument \"maybe\" for \"--prefix\" flag: strconv.ParseBool: parsing "
            "\"maybe\": invalid syntax");
}

TEST(FlagSetTest, KnowsWhichFlagTakesTheNextArgument) {
  const Flags flags;
  EXPECT_TRUE(flags.set.TakesNext("--rev"));
  EXPECT_TRUE(flags.set.TakesNext("-w"));
  EXPECT_FALSE(flags.set.TakesNext("--rev=1"));
  EXPECT_FALSE(flags.set.TakesNext("--prefix"));
  EXPECT_FALSE(flags.set.TakesNext("-i"));
  EXPECT_FALSE(flags.set.TakesNext("--bogus"));
}

}  // namespace
}  // namespace trireme::kvcli
