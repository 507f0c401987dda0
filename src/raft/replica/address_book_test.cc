#include "raft/replica/address_book.h"

#include <gtest/gtest.h>

namespace trireme::raft {
namespace {

AddressBook::Line Says(std::uint64_t node, const std::string& address, std::uint64_t stamp) {
  return {NodeId{node}, address, stamp};
}

TEST(AddressBook, TheLatestCounts) {
  AddressBook book;
  EXPECT_TRUE(book.Learn(Says(1, "a:1", 5)));
  EXPECT_FALSE(book.Learn(Says(1, "b:1", 4)));
  EXPECT_EQ(book.Find(NodeId{1}), "a:1");
  EXPECT_TRUE(book.Learn(Says(1, "b:1", 6)));
  EXPECT_EQ(book.Find(NodeId{1}), "b:1");
  EXPECT_EQ(book.Find(NodeId{2}), std::nullopt);
}

TEST(AddressBook, WhoeverHearsFirstAllBelieveTheSame) {
  AddressBook one;
  AddressBook other;
  one.Learn(Says(1, "a:1", 5));
  one.Learn(Says(1, "b:1", 5));
  other.Learn(Says(1, "b:1", 5));
  other.Learn(Says(1, "a:1", 5));
  EXPECT_EQ(one.lines(), other.lines());
}

TEST(AddressBook, OldNewsIsNoNews) {
  AddressBook book;
  book.Learn(Says(1, "a:1", 5));
  const std::uint64_t revision = book.revision();
  EXPECT_FALSE(book.Learn(Says(1, "a:1", 5)));
  EXPECT_EQ(book.revision(), revision);
}

TEST(AddressBook, RoundTrip) {
  AddressBook book;
  book.Learn(Says(1, "a:1", 5));
  book.Learn(Says(2, "unix:/b", 6));
  EXPECT_EQ(AddressBook::Decode(book.Encode()), book.lines());
}

TEST(AddressBook, HostileBytesAreRefused) {
  AddressBook book;
  book.Learn(Says(1, "a:1", 5));
  const std::string bytes = book.Encode();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(AddressBook::Decode(bytes.substr(0, size)), std::nullopt) << size;
  }
  EXPECT_EQ(AddressBook::Decode(bytes + "x"), std::nullopt);
  EXPECT_EQ(AddressBook::Decode("\xff\xff\xff\xff\x0f"), std::nullopt);
  EXPECT_FALSE(book.Learn(Says(2, "line\nbreak", 1)));
  EXPECT_FALSE(book.Learn(Says(2, std::string(300, 'a'), 1)));
}

TEST(AddressBook, IsBounded) {
  AddressBook book;
  for (std::uint64_t node = 1; node <= 10'000; ++node) {
    book.Learn(Says(node, std::string(100, 'a'), 1));
  }
  EXPECT_LE(book.Encode().size(), AddressBook::kBytesMax);
  EXPECT_GT(book.lines().size(), 400u);
}

}  // namespace
}  // namespace trireme::raft
