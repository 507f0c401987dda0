#include "mapreduce/engine/text_search.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "hwy/targets.h"

namespace trireme::mapreduce {
namespace {

/// A copy with nothing behind it, so that the address sanitizer sees any read beyond the end.
class Exact {
 public:
  explicit Exact(const std::string& text) : size_(text.size()), bytes_(new char[text.size()]) {
    std::memcpy(bytes_.get(), text.data(), text.size());
  }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

std::string RandomBytes(Random& random, std::uint64_t size, std::uint64_t alphabet) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(200 + random.Below(alphabet));
  return bytes;
}

class TextSearchTest : public ::testing::TestWithParam<std::int64_t> {
 protected:
  TextSearchTest() { hwy::DisableTargets(GetParam()); }
  ~TextSearchTest() override { hwy::DisableTargets(0); }
};

TEST_P(TextSearchTest, FindsWhatTheStandardLibraryFinds) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::uint64_t alphabet = 1 + random.Below(random.OneIn(4) ? 256 : 4);
    const Exact text(RandomBytes(random, random.Below(900), alphabet));
    LiteralFinder finder(RandomBytes(random, 1 + random.Below(random.OneIn(4) ? 80 : 6), alphabet));
    if (random.OneIn(2)) finder.Tune(text.view().substr(0, 100));
    for (std::size_t from = 0, found = 0; found != std::string_view::npos; from = found + 1) {
      found = finder.Find(text.view(), from);
      ASSERT_EQ(found, text.view().find(finder.literal(), from)) << from;
    }
  }
}

TEST_P(TextSearchTest, NulsAndHighBytesAreBytes) {
  const std::string text("a\0b\0\xff\xfe\0", 7);
  EXPECT_EQ(LiteralFinder(std::string("\0\xff", 2)).Find(text), 3u);
  EXPECT_EQ(LiteralFinder(std::string("\0", 1)).Find(text, 2), 3u);
  EXPECT_EQ(LiteralFinder("\xfe").Find(text, 6), std::string_view::npos);
  EXPECT_EQ(LiteralFinder("x").Find(text, 100), std::string_view::npos);
}

INSTANTIATE_TEST_SUITE_P(InstructionSets, TextSearchTest,
                         ::testing::Values(0, HWY_AVX3 | HWY_AVX3_DL,
                                           HWY_AVX3 | HWY_AVX3_DL | HWY_AVX2));

TEST(LineAroundTest, ALineEndsBeforeItsNewline) {
  const std::string text = "ab\n\ncd";
  EXPECT_EQ(LineAround(text, 0), "ab");
  EXPECT_EQ(LineAround(text, 2), "ab");
  EXPECT_EQ(LineAround(text, 3), "");
  EXPECT_EQ(LineAround(text, 5), "cd");
}

}  // namespace
}  // namespace trireme::mapreduce
