#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string>

#include "base/random.h"

namespace trireme {
namespace {

TEST(Crc32c, KnownAnswers) {
  // RFC 3720, appendix B.4.
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  std::string rising;
  for (int i = 0; i < 32; ++i) rising.push_back(static_cast<char>(i));
  EXPECT_EQ(Crc32c(rising), 0x46DD794Eu);
  EXPECT_EQ(Crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(Crc32c, InstructionAndTableAgreeAndContinue) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes(random.Below(70), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Next());
    const std::string_view view(bytes);
    const auto cut = static_cast<std::size_t>(random.Below(bytes.size() + 1));
    const auto seed = static_cast<std::uint32_t>(random.Next());
    EXPECT_EQ(Crc32c(view, seed), Crc32cPortable(view, seed));
    EXPECT_EQ(Crc32c(view.substr(cut), Crc32c(view.substr(0, cut), seed)), Crc32c(view, seed));
  }
}

/// Long ones go in parts side by side.
TEST(Crc32c, InstructionAndTableAgreeOnAnySize) {
  Random random(2);
  std::string bytes(20'000, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.Next());
  for (int i = 0; i < 3000; ++i) {
    const auto from = static_cast<std::size_t>(random.Below(100));
    const auto size = static_cast<std::size_t>(random.Below(random.OneIn(2) ? 600 : 19'900));
    const std::string_view view = std::string_view(bytes).substr(from, size);
    const auto seed = static_cast<std::uint32_t>(random.Next());
    ASSERT_EQ(Crc32c(view, seed), Crc32cPortable(view, seed)) << size;
  }
}

}  // namespace
}  // namespace trireme
