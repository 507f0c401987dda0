#include "mapreduce/engine/tokenizer.h"

#include <gtest/gtest.h>
#include <trireme/mapreduce.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "hwy/targets.h"

namespace trireme::mapreduce {
namespace {

bool IsSpace(char byte) {
  return byte == ' ' || (byte >= 9 && byte <= 13);
}

std::vector<std::string> NaiveWords(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  for (const char byte : text + " ") {
    if (!IsSpace(byte)) {
      word += byte;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  return words;
}

std::vector<std::string> Scan(const std::string& text) {
  std::vector<std::string> words;
  WordScanner scanner(text);
  for (;;) {
    const auto spans = scanner.Next();
    if (spans.empty()) return words;
    for (const auto span : spans) words.push_back(text.substr(span.begin, span.end - span.begin));
  }
}

/// All bytes, with white space as dense as `rarity` says.
std::string RandomText(Random& random) {
  std::string text(random.Below(random.OneIn(3) ? 40000 : 300), '\0');
  const std::uint64_t rarity = 1 + random.Below(random.OneIn(5) ? 20000 : 12);
  for (char& byte : text) {
    byte = random.OneIn(rarity) ? " \t\n\v\f\r"[random.Below(6)] : static_cast<char>(random.Next());
  }
  return text;
}

void ExpectAllAlike(const std::string& text) {
  const std::vector<std::string> expected = NaiveWords(text);
  ASSERT_EQ(Scan(text), expected);
  std::vector<std::string> words;
  ForEachWord(text, [&](std::string_view word) { words.emplace_back(word); });
  ASSERT_EQ(words, expected);
}

class TokenizerTest : public ::testing::TestWithParam<std::int64_t> {
 protected:
  TokenizerTest() { hwy::DisableTargets(GetParam()); }
  ~TokenizerTest() override { hwy::DisableTargets(0); }
};

TEST_P(TokenizerTest, FindsTheWordsThatTheNaiveLoopFinds) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    ExpectAllAlike(RandomText(random));
  }
}

TEST_P(TokenizerTest, EveryByteIsClassifiedAsDocumented) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text = std::string("a") + static_cast<char>(byte) + "b";
    EXPECT_EQ(Scan(text).size(), IsSpace(static_cast<char>(byte)) ? 2u : 1u) << byte;
  }
}

TEST_P(TokenizerTest, WordsAcrossTheEdgesOfMasksAndChunks) {
  for (const std::size_t edge : {64, 128, 8192, 16384}) {
    for (std::size_t begin = edge - 3; begin <= edge + 1; ++begin) {
      for (std::size_t size = 0; size <= 3; ++size) {
        const std::string text = std::string(begin, ' ') + std::string(size, 'x');
        ExpectAllAlike(text);
        ExpectAllAlike(text + " ");
        ExpectAllAlike("y" + text + "\ny");
      }
    }
  }
  ExpectAllAlike(std::string(50000, 'x'));
  ExpectAllAlike(std::string(50000, ' '));
}

// Every way the vector code can be compiled for this processor gives the same words.
INSTANTIATE_TEST_SUITE_P(InstructionSets, TokenizerTest,
                         ::testing::Values(0, HWY_AVX3 | HWY_AVX3_DL,
                                           HWY_AVX3 | HWY_AVX3_DL | HWY_AVX2));

}  // namespace
}  // namespace trireme::mapreduce
