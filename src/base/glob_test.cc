#include "base/glob.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"

namespace trireme::glob {
namespace {

using ::testing::ElementsAre;

/// The dumb twin: `*` by trying every length.
bool Naive(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*') {
    return Naive(pattern.substr(1), name) || (!name.empty() && Naive(pattern, name.substr(1)));
  }
  if (name.empty()) return false;
  if (pattern[0] == '?') return Naive(pattern.substr(1), name.substr(1));
  const std::size_t close = pattern[0] == '[' && pattern.size() > 2 ? pattern.find(']', 2) : 0;
  if (pattern[0] == '[' && close < pattern.size() && close != 0) {
    const std::string_view members = pattern.substr(1, close - 1);  // no ranges in this test
    return members.find(name[0]) != std::string_view::npos &&
           Naive(pattern.substr(close + 1), name.substr(1));
  }
  return pattern[0] == name[0] && Naive(pattern.substr(1), name.substr(1));
}

std::string RandomFrom(Random& random, std::string_view alphabet, std::uint64_t size_max) {
  std::string text(random.Below(size_max + 1), '\0');
  for (char& byte : text) byte = alphabet[random.Below(alphabet.size())];
  return text;
}

TEST(GlobTest, MatchesWhatTheNaiveMatcherMatches) {
  int matches = 0;
  for (std::uint64_t seed = 0; seed < 200000; ++seed) {
    Random random(seed);
    const std::string pattern = RandomFrom(random, "ab*?[]", 7);
    const std::string name = RandomFrom(random, "ab", 6);
    ASSERT_EQ(MatchName(pattern, name), Naive(pattern, name)) << pattern << " " << name;
    matches += Naive(pattern, name);
  }
  EXPECT_GT(matches, 10000);
}

TEST(GlobTest, Classes) {
  EXPECT_TRUE(MatchName("[a-c]x", "bx"));
  EXPECT_FALSE(MatchName("[a-c]x", "dx"));
  EXPECT_TRUE(MatchName("[!a-c]x", "dx"));
  EXPECT_FALSE(MatchName("[^a-c]x", "ax"));
  EXPECT_TRUE(MatchName("[]a]", "]"));
  EXPECT_TRUE(MatchName("[a-]", "-"));
  EXPECT_TRUE(MatchName("[\x80-\xff]", "\xc3"));
  EXPECT_TRUE(MatchName("[ab", "[ab"));
}

TEST(GlobTest, ABackslashTakesTheMeaningAway) {
  EXPECT_TRUE(MatchName("a\\*", "a*"));
  EXPECT_FALSE(MatchName("a\\*", "ab"));
  EXPECT_TRUE(MatchName("a\\", "a\\"));
}

TEST(GlobTest, ManyStarsTakeNoExponentialTime) {
  std::string pattern;
  for (int i = 0; i < 50; ++i) pattern += "*a";
  EXPECT_FALSE(MatchName(pattern + "b", std::string(5000, 'a')));
}

TEST(GlobTest, BracesAreExpandedInOrder) {
  EXPECT_THAT(*ExpandBraces("x"), ElementsAre("x"));
  EXPECT_THAT(*ExpandBraces("x{a,b}y{1,2}"), ElementsAre("xay1", "xay2", "xby1", "xby2"));
  EXPECT_THAT(*ExpandBraces("{a,b{c,d/e}}"), ElementsAre("a", "bc", "bd/e"));
  EXPECT_THAT(*ExpandBraces("{,x}"), ElementsAre("", "x"));
  EXPECT_THAT(*ExpandBraces("{a}{b{c,d}"), ElementsAre("{a}{bc", "{a}{bd"));
  EXPECT_THAT(*ExpandBraces("\\{a,b\\}"), ElementsAre("\\{a,b\\}"));
}

TEST(GlobTest, TooManyAlternativesAreRefused) {
  std::string pattern;
  for (int i = 0; i < 13; ++i) pattern += "{a,b}";
  EXPECT_EQ(ExpandBraces(pattern).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(GlobTest, PathsBelowAMatchAreMatched) {
  EXPECT_TRUE(MatchPath("logs", "logs/a/b"));
  EXPECT_TRUE(MatchPath("./logs/", "logs/a"));
  EXPECT_FALSE(MatchPath("logs", "logs2/a"));
  EXPECT_FALSE(MatchPath("/logs", "logs/a"));
  EXPECT_TRUE(MatchPath("l*/*.txt", "logs/a.txt"));
  EXPECT_FALSE(MatchPath("l*/*.txt", "logs/b/a.txt"));
  EXPECT_TRUE(MatchPath("l*/**/*.txt", "logs/b/c/a.txt"));
  EXPECT_TRUE(MatchPath("l*/**/*.txt", "logs/a.txt"));
  EXPECT_TRUE(MatchPath("{x,logs}", "logs/a.txt"));
  EXPECT_FALSE(MatchPath("logs", "logs/_tmp/a"));
  EXPECT_FALSE(MatchPath("*", ".hidden"));
  EXPECT_TRUE(MatchPath(".*", ".hidden"));
}

TEST(GlobTest, NormalisedPaths) {
  EXPECT_EQ(Normalised(".//a/./b/"), "a/b");
  EXPECT_EQ(Normalised("//a"), "/a");
  EXPECT_EQ(Normalised("/"), "/");
  EXPECT_EQ(Normalised("."), "");
  EXPECT_EQ(Normalised("../a"), "../a");
}

}  // namespace
}  // namespace trireme::glob
