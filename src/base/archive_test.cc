#include "base/archive.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "base/random.h"

namespace trireme {
namespace {

enum class Colour : std::uint8_t { kRed, kBlue = 200 };

struct Leaf {
  std::int32_t number = 0;
  std::string text;
  bool operator==(const Leaf&) const = default;
};
template <typename A>
void Fields(A& archive, Leaf& leaf) {
  archive(leaf.number, leaf.text);
}

struct Tree {
  bool flag = false;
  std::uint8_t small = 0;
  std::uint64_t large = 0;
  std::int64_t below = 0;
  Colour colour = Colour::kRed;
  std::vector<Leaf> leaves;
  std::optional<Leaf> maybe;
  std::map<std::pair<std::string, std::string>, std::int64_t> counts;
  std::variant<std::uint32_t, Leaf> either;
  bool operator==(const Tree&) const = default;
};
template <typename A>
void Fields(A& archive, Tree& t) {
  archive(t.flag, t.small, t.large, t.below, t.colour, t.leaves, t.maybe, t.counts, t.either);
}

Tree Full() {
  return {
      .flag = true,
      .small = 255,
      .large = std::numeric_limits<std::uint64_t>::max(),
      .below = std::numeric_limits<std::int64_t>::min(),
      .colour = Colour::kBlue,
      .leaves = {{-1, ""}, {std::numeric_limits<std::int32_t>::max(), std::string("\0\xff", 2)}},
      .maybe = Leaf{7, "seven"},
      .counts = {{{"g", "n"}, -4}, {{"", ""}, 0}},
      .either = Leaf{8, "eight"}};
}

template <typename T>
bool Decodes(std::string_view bytes) {
  T value{};
  return DecodeFields(bytes, &value);
}

std::string Varint(std::uint64_t value) {
  std::string bytes;
  AppendVarint(bytes, value);
  return bytes;
}

TEST(ArchiveTest, EveryKindOfFieldComesBack) {
  for (const Tree& tree : {Tree(), Full()}) {
    Tree back = Full();  // what it held before must be gone
    ASSERT_TRUE(DecodeFields(EncodeFields(tree), &back));
    EXPECT_EQ(back, tree);
  }
}

TEST(ArchiveTest, NoPrefixIsWholeAndNoByteMayFollow) {
  const std::string bytes = EncodeFields(Full());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(Decodes<Tree>(std::string_view(bytes).substr(0, size))) << size;
  EXPECT_FALSE(Decodes<Tree>(bytes + '\0'));
}

TEST(ArchiveTest, NumbersBeyondTheirTypeAreRefused) {
  EXPECT_TRUE(Decodes<std::uint8_t>(Varint(255)));
  EXPECT_FALSE(Decodes<std::uint8_t>(Varint(256)));
  EXPECT_TRUE(Decodes<Colour>(Varint(255)));  // the range of an enum is its user's to check
  EXPECT_FALSE(Decodes<Colour>(Varint(256)));
  EXPECT_FALSE(Decodes<bool>(Varint(2)));
  EXPECT_FALSE(Decodes<std::optional<bool>>(Varint(2)));
  using Either = std::variant<std::uint32_t, Leaf>;
  EXPECT_TRUE(Decodes<Either>(Varint(0) + Varint(5)));
  EXPECT_FALSE(Decodes<Either>(Varint(2) + Varint(5)));
}

TEST(ArchiveTest, NoContainerIsLargerThanTheBytesLeft) {
  const std::string huge = Varint(1ull << 62);
  EXPECT_FALSE(Decodes<std::string>(huge + "abc"));
  EXPECT_FALSE(Decodes<std::vector<Leaf>>(huge + "abc"));
  EXPECT_FALSE((Decodes<std::map<std::string, std::string>>(huge + "abc")));
}

TEST(ArchiveTest, AnyBytesDecodeOrDoNot) {
  int decoded = 0;
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    Random random(seed);
    std::string bytes = EncodeFields(Full());
    for (std::uint64_t i = 0, n = random.Below(3); i < n; ++i)
      bytes[random.Below(bytes.size())] = static_cast<char>(random.Next());
    Tree tree;
    if (!DecodeFields(bytes, &tree)) continue;
    ++decoded;
    Tree again;
    ASSERT_TRUE(DecodeFields(EncodeFields(tree), &again));
    ASSERT_EQ(again, tree) << seed;
  }
  EXPECT_GT(decoded, 1000);
}

}  // namespace
}  // namespace trireme
