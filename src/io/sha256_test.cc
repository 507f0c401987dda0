#include "io/sha256.h"

#include <gtest/gtest.h>

namespace trireme::io {
namespace {

std::string HashOf(const std::string& text) {
  Sha256 hash;
  hash.Add(text);
  return hash.Finish();
}

bool Holds(const std::string& bytes, std::size_t piece) {
  TrailingSha256 check;
  for (std::size_t i = 0; i < bytes.size(); i += piece) check.Add(bytes.substr(i, piece));
  return check.EndsWithItself();
}

TEST(Sha256Test, HashesAsFips180) {
  EXPECT_EQ(HashOf("abc").substr(0, 4), "\xba\x78\x16\xbf");
}

TEST(Sha256Test, FindsItsOwnAtTheEndWhateverThePieces) {
  const std::string body(1000, 'x');
  const std::string whole = body + HashOf(body);
  for (const std::size_t piece : {1, 7, 31, 32, 33, 2000}) {
    EXPECT_TRUE(Holds(whole, piece));
    EXPECT_FALSE(Holds(whole.substr(0, whole.size() - 1), piece));
    EXPECT_FALSE(Holds("y" + whole.substr(1), piece));
    EXPECT_FALSE(Holds(body, piece));
  }
  EXPECT_TRUE(Holds(HashOf(""), 5));
  EXPECT_FALSE(Holds("", 5));
}

}  // namespace
}  // namespace trireme::io
