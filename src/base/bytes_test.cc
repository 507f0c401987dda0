#include "base/bytes.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace trireme {
namespace {

TEST(Bytes, VarintsRoundTrip) {
  Random random(3);
  for (int i = 0; i < 100000; ++i) {
    const std::uint64_t value = random.Next() >> random.Below(64);
    std::string bytes;
    AppendVarint(bytes, value);
    std::uint64_t read = 0;
    ASSERT_EQ(LoadVarint(bytes.data(), bytes.data() + bytes.size(), &read),
              bytes.data() + bytes.size());
    ASSERT_EQ(read, value);
    for (std::size_t cut = 0; cut < bytes.size(); ++cut)
      ASSERT_EQ(LoadVarint(bytes.data(), bytes.data() + cut, &read), nullptr);
  }
}

TEST(Bytes, OverlongVarintIsRefused) {
  const std::string eleven(10, '\xff');
  std::uint64_t value = 0;
  const std::string bytes = eleven + '\x01';
  EXPECT_EQ(LoadVarint(bytes.data(), bytes.data() + bytes.size(), &value), nullptr);
}

TEST(Bytes, ReaderRefusesASizeBeyondTheEnd) {
  std::string bytes;
  AppendSized(bytes, "abc");
  std::string_view value;
  EXPECT_TRUE(ByteReader(bytes).Sized(&value));
  EXPECT_EQ(value, "abc");
  bytes.pop_back();
  EXPECT_FALSE(ByteReader(bytes).Sized(&value));
}

}  // namespace
}  // namespace trireme
