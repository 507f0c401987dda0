#include "mapreduce/cluster/file_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace trireme::mapreduce::cluster {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() {
    char name[] = "/tmp/trireme-journal-XXXXXX";
    directory_ = ::mkdtemp(name);
  }
  ~JournalTest() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/journal"; }
  std::string Bytes() const {
    std::ifstream in(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void Put(const std::string& bytes) const {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << bytes;
  }
  FileJournal::Opened Open() const {
    auto opened = FileJournal::Open(directory_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  void Fill() const {
    auto opened = Open();
    for (const char* batch : {"one", "two two", "three"}) {
      ASSERT_TRUE(opened.journal->Append(batch, Urgency::kCanWait).ok());
    }
  }

  std::string directory_;
};

TEST_F(JournalTest, GivesBackWhatWasAppendedOverSeveralLives) {
  Fill();
  auto opened = Open();
  EXPECT_THAT(opened.batches, ElementsAre("one", "two two", "three"));
  EXPECT_EQ(opened.torn_bytes, 0u);
  ASSERT_TRUE(opened.journal->Append("four", Urgency::kCanWait).ok());
  opened.journal.reset();
  EXPECT_THAT(Open().batches, ElementsAre("one", "two two", "three", "four"));
}

TEST_F(JournalTest, EveryTornTailIsCutAndWritingGoesOn) {
  Fill();
  const std::string whole = Bytes();
  const std::size_t last = whole.size() - (kJournalHeaderBytes + 5 + 8);
  for (std::size_t size = last; size < whole.size(); ++size) {
    Put(whole.substr(0, size));
    {
      auto opened = Open();
      EXPECT_THAT(opened.batches, ElementsAre("one", "two two")) << size;
      EXPECT_EQ(opened.torn_bytes, size - last);
      ASSERT_TRUE(opened.journal->Append("again", Urgency::kCanWait).ok());
    }
    EXPECT_THAT(Open().batches, ElementsAre("one", "two two", "again")) << size;
  }
}

TEST_F(JournalTest, EveryFlippedBitBeforeTheLastFrameIsRefused) {
  Fill();
  const std::string whole = Bytes();
  const std::size_t last = whole.size() - (kJournalHeaderBytes + 5 + 8);
  for (std::size_t bit = 0; bit < last * 8; bit += 3) {
    std::string bytes = whole;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    Put(bytes);
    const auto opened = FileJournal::Open(directory_);
    ASSERT_EQ(opened.status().code(), absl::StatusCode::kDataLoss) << bit;
    EXPECT_THAT(std::string(opened.status().message()), HasSubstr(path() + ": corrupt at offset"));
    EXPECT_EQ(Bytes(), bytes) << "a refused journal must not be touched";
  }
}

TEST_F(JournalTest, AFrameAtAnotherPlaceIsNoFrame) {
  const std::string frame = MakeJournalFrame("moved", 100);
  Put(frame);
  auto opened = Open();
  EXPECT_TRUE(opened.batches.empty());
  EXPECT_EQ(opened.torn_bytes, frame.size());
}

TEST_F(JournalTest, OneOwnerAtATime) {
  auto first = Open();
  const auto second = FileJournal::Open(directory_);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(directory_));
}

TEST_F(JournalTest, CompactionReplacesEverything) {
  Fill();
  {
    auto opened = Open();
    ASSERT_TRUE(opened.journal->Compact({"all", "of it"}).ok());
    ASSERT_TRUE(opened.journal->Append("and more", Urgency::kCanWait).ok());
  }
  EXPECT_THAT(Open().batches, ElementsAre("all", "of it", "and more"));
}

TEST_F(JournalTest, WantsCompactionOnlyAfterGrowth) {
  auto opened = Open();
  EXPECT_FALSE(opened.journal->WantsCompaction());
  const std::string large(kCompactBytesMin, 'x');
  ASSERT_TRUE(opened.journal->Append(large, Urgency::kCanWait).ok());
  EXPECT_TRUE(opened.journal->WantsCompaction());
  ASSERT_TRUE(opened.journal->Compact({large}).ok());
  EXPECT_FALSE(opened.journal->WantsCompaction());
}

TEST_F(JournalTest, ALeftoverOfACompactionIsIgnoredAndRemoved) {
  Fill();
  std::ofstream(path() + ".tmp") << "half a checkpoint";
  EXPECT_THAT(Open().batches, ElementsAre("one", "two two", "three"));
  EXPECT_FALSE(std::filesystem::exists(path() + ".tmp"));
}

}  // namespace
}  // namespace trireme::mapreduce::cluster
