#include "mapreduce/engine/splits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/random.h"

namespace trireme::mapreduce {
namespace {

using Kind = InputFormat::Kind;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::uint64_t kMiB = 1 << 20;

std::vector<Split> Plan(const std::vector<io::FileInfo>& files, InputFormat format = {},
                        std::uint64_t split_bytes = kSplitBytesDefault) {
  auto splits = PlanSplits(files, format, split_bytes);
  EXPECT_TRUE(splits.ok()) << splits.status();
  return *std::move(splits);
}

std::vector<io::FileInfo> Files(std::size_t count, std::uint64_t size, const char* suffix = "") {
  std::vector<io::FileInfo> files;
  for (std::size_t i = 0; i < count; ++i) files.push_back({std::to_string(i) + suffix, size});
  return files;
}

TEST(SplitsTest, RangesCoverEveryFileOnceInOrder) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::uint64_t n = 1 + random.Below(20);
    const bool fixed = random.OneIn(3);
    std::vector<io::FileInfo> files;
    for (std::uint64_t i = random.Below(30); i != 0; --i)
      files.push_back(
          {std::to_string(files.size()), random.Below(random.OneIn(3) ? 20000 : 50) * n});
    const InputFormat format =
        fixed ? InputFormat{Kind::kFixed, static_cast<std::uint32_t>(n)} : InputFormat{};
    const std::uint64_t split_bytes = 1 + random.Below(3000);
    std::size_t file = 0;
    std::uint64_t offset = 0;
    for (const Split& split : Plan(files, format, split_bytes)) {
      ASSERT_FALSE(split.ranges.empty());
      for (const InputRange& range : split.ranges) {
        while (offset == files[file].size_bytes) {
          ++file;
          offset = 0;
        }
        ASSERT_EQ(range.path, files[file].path);
        ASSERT_EQ(range.offset, offset);
        ASSERT_GT(range.length, 0u);
        if (fixed) {
          ASSERT_EQ(range.offset % n, 0u);
        }
        offset += range.length;
        ASSERT_LE(range.length, std::max(split_bytes + split_bytes / kSplitSlackFraction, n));
      }
    }
    while (file < files.size() && offset == files[file].size_bytes) {
      ++file;
      offset = 0;
    }
    ASSERT_EQ(file, files.size());
  }
}

TEST(SplitsTest, ABitMoreThanASplitIsOneTask) {
  EXPECT_EQ(Plan({{"a", 64 * kMiB + 82}}).size(), 1u);
  EXPECT_EQ(Plan({{"a", 2 * 64 * kMiB}}).size(), 2u);
  EXPECT_EQ(Plan({{"a", 64 * kMiB + 7 * kMiB}}).size(), 2u);
}

TEST(SplitsTest, EqualFilesStayTasksOfTheirOwn) {
  EXPECT_EQ(Plan(Files(8, 100)).size(), 8u);
  EXPECT_EQ(Plan(Files(32, 64 * kMiB)).size(), 32u);
}

TEST(SplitsTest, ManySmallFilesShareTasks) {
  EXPECT_EQ(Plan(Files(5000, 8000)).size(), 32u);
  EXPECT_EQ(Plan(Files(5000, 8000, ".gz")).size(), 32u);
}

TEST(SplitsTest, CompressedAndWholeFilesAreNeverCut) {
  EXPECT_EQ(Plan(Files(1, 1000 * kMiB, ".gz")).size(), 1u);
  EXPECT_EQ(Plan(Files(1, 1000 * kMiB, ".zst")).size(), 1u);
  EXPECT_EQ(Plan(Files(1, 1000 * kMiB), {Kind::kFiles}).size(), 1u);
}

TEST(SplitsTest, EmptyFilesAreRecordsOnlyWhenFilesAre) {
  EXPECT_TRUE(Plan(Files(3, 0)).empty());
  const std::vector<Split> whole = Plan(Files(3, 0), {Kind::kFiles});
  ASSERT_EQ(whole.size(), 1u);
  EXPECT_EQ(whole[0].ranges.size(), 3u);
  EXPECT_EQ(Plan(Files(2 * kRangesPerSplitMax, 0), {Kind::kFiles}).size(), 2u);
}

TEST(SplitsTest, FixedRecordsThatDoNotFillTheFileAreAnError) {
  const auto splits = PlanSplits({{"good", 200}, {"bad", 250}}, {Kind::kFixed, 100});
  EXPECT_EQ(splits.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(splits.status().message()),
              AllOf(HasSubstr("bad"), HasSubstr("250"), HasSubstr("fixed:100")));
}

TEST(SplitsTest, TooSmallSplitsAreAnErrorThatNamesTheRemedy) {
  const auto splits = PlanSplits({{"big", 1ull << 40}}, {}, 1000);
  EXPECT_THAT(std::string(splits.status().message()),
              AllOf(HasSubstr("big"), HasSubstr("--split-size")));
  EXPECT_FALSE(PlanSplits({{"a", 1}}, {}, 0).ok());
  EXPECT_FALSE(PlanSplits({{"a", 1}}, {Kind::kFixed, 0}).ok());
}

TEST(SplitsTest, DefaultReducesGrowWithTheInput) {
  EXPECT_EQ(DefaultReduces(0), 1u);
  EXPECT_EQ(DefaultReduces(128 * kMiB), 1u);
  EXPECT_EQ(DefaultReduces(160 * kMiB), 1u);
  EXPECT_EQ(DefaultReduces(160 * kMiB + 1), 2u);
  EXPECT_EQ(DefaultReduces(256 * kMiB + 1), 2u);
  EXPECT_EQ(DefaultReduces(300 * kMiB), 4u);
  EXPECT_EQ(DefaultReduces(2048 * kMiB), 16u);
  EXPECT_EQ(DefaultReduces(2049 * kMiB), 16u);
  EXPECT_EQ(DefaultReduces(~0ull), kDefaultReducesMax);
}

TEST(SplitsTest, CompressionIsToldByTheName) {
  EXPECT_EQ(CompressionOf("a.gz"), Compression::kGzip);
  EXPECT_EQ(CompressionOf("a.zst"), Compression::kZstd);
  EXPECT_EQ(CompressionOf("a.gz.txt"), Compression::kNone);
}

}  // namespace
}  // namespace trireme::mapreduce
