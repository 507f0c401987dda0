#include "mapreduce/engine/run_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "mapreduce/engine/merge.h"
#include "mapreduce/engine/task_testing.h"

namespace trireme::mapreduce {
namespace {

struct Kept {
  std::string key, value;
  bool operator==(const Kept&) const = default;
};
using Partitions = std::vector<std::vector<Kept>>;
using Runs = std::vector<Partitions>;

void WriteRuns(const std::string& path, const Runs& runs, std::uint32_t partitions) {
  auto writer = RunWriter::Create(path, partitions);
  ASSERT_TRUE(writer.ok());
  for (const Partitions& run : runs) {
    (*writer)->BeginRun();
    for (std::uint32_t partition = 0; partition < partitions; ++partition) {
      for (const Kept& record : run[partition]) {
        (*writer)->BeginPartition(partition);
        (*writer)->Add(record.key, record.value);
      }
    }
    ASSERT_TRUE((*writer)->EndRun().ok());
  }
  ASSERT_TRUE((*writer)->Finish().ok());
  ASSERT_EQ((*writer)->bytes(), ReadLocal(path).size());
}

absl::Status ReadSegment(std::shared_ptr<const RunFile> file, Segment segment,
                         std::vector<Kept>* to) {
  std::vector<std::unique_ptr<BlockSource>> sources;
  sources.push_back(ReadBlocks(std::move(file), segment));
  Merger merger(std::move(sources));
  absl::Status status = merger.Start();
  while (status.ok() && !merger.done()) {
    to->push_back({std::string(merger.key()), std::string(merger.value())});
    status = merger.Pop();
  }
  return status;
}

/// All records, or the first error.
absl::StatusOr<Runs> ReadRuns(const std::string& path) {
  auto file = RunFile::Open(path);
  if (!file.ok()) return file.status();
  Runs runs;
  for (std::uint32_t run = 0; run < (*file)->runs(); ++run) {
    runs.emplace_back((*file)->partitions());
    for (std::uint32_t partition = 0; partition < (*file)->partitions(); ++partition) {
      const auto segment = (*file)->Find(run, partition);
      if (!segment.ok()) return segment.status();
      std::vector<Kept>& records = runs.back()[partition];
      if (absl::Status status = ReadSegment(*file, *segment, &records); !status.ok()) return status;
      EXPECT_EQ(records.size(), segment->records);
    }
  }
  return runs;
}

Runs AnyRuns(Random& random, std::uint32_t partitions, std::size_t records_max) {
  Runs runs(random.Below(5), Partitions(partitions));
  for (Partitions& run : runs) {
    for (auto& records : run) {
      if (random.OneIn(3)) continue;
      records.resize(random.Below(records_max + 1));
      for (Kept& record : records) {
        record.key = std::string(random.Below(20), static_cast<char>(random.Next()));
        record.value = std::string(random.OneIn(100) ? random.Below(3 * kBlockBytes) : 3, 'v');
      }
    }
  }
  return runs;
}

TEST(RunFile, RoundTrips) {
  ScratchDirectory scratch;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto partitions = static_cast<std::uint32_t>(1 + random.Below(6));
    const Runs runs = AnyRuns(random, partitions, 3000);
    ASSERT_NO_FATAL_FAILURE(WriteRuns(scratch / "run", runs, partitions));
    const auto read = ReadRuns(scratch / "run");
    ASSERT_TRUE(read.ok()) << read.status();
    ASSERT_TRUE(*read == runs);
  }
}

TEST(RunFile, ARecordOfManyBlocksHasABlockOfItsOwn) {
  ScratchDirectory scratch;
  const Runs runs = {{{{"a", "small"}, {"b", std::string(5 << 20, 'x')}, {"c", "small"}}}};
  ASSERT_NO_FATAL_FAILURE(WriteRuns(scratch / "run", runs, 1));
  const auto read = ReadRuns(scratch / "run");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(*read == runs);
}

/// Small, yet with every part of the format: runs, empty segments, several blocks' worth of rows.
Runs SmallRuns() {
  return {{{{"apple", "1"}, {"banana", "2"}}, {}, {{"cherry", ""}}},
          {{}, {}, {}},
          {{{"", ""}}, {{std::string(40, 'k'), std::string(30, 'v')}}, {}}};
}

TEST(RunFile, EveryFlippedByteIsFound) {
  ScratchDirectory scratch;
  const Runs runs = SmallRuns();
  ASSERT_NO_FATAL_FAILURE(WriteRuns(scratch / "run", runs, 3));
  const std::string whole = ReadLocal(scratch / "run");
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ flip);
      WriteLocal(scratch / "run", bytes);
      const auto read = ReadRuns(scratch / "run");
      ASSERT_TRUE(absl::IsDataLoss(read.status())) << "byte " << at << ": " << read.status();
      ASSERT_THAT(std::string(read.status().message()), ::testing::HasSubstr(scratch / "run"));
    }
  }
}

TEST(RunFile, EveryTruncationIsFound) {
  ScratchDirectory scratch;
  ASSERT_NO_FATAL_FAILURE(WriteRuns(scratch / "run", SmallRuns(), 3));
  const std::string whole = ReadLocal(scratch / "run");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    WriteLocal(scratch / "run", whole.substr(0, size));
    const absl::Status status = ReadRuns(scratch / "run").status();
    ASSERT_TRUE(absl::IsDataLoss(status)) << size << " bytes: " << status;
  }
}

TEST(RunFile, BytesCutOutOrPutInAreFound) {
  ScratchDirectory scratch;
  const Runs runs = SmallRuns();
  ASSERT_NO_FATAL_FAILURE(WriteRuns(scratch / "run", runs, 3));
  const std::string whole = ReadLocal(scratch / "run");
  Random random(5);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = whole;
    const std::size_t at = random.Below(bytes.size());
    if (random.OneIn(2)) {
      bytes.erase(at, 1 + random.Below(50));
    } else {
      bytes.insert(at, 1 + random.Below(50), static_cast<char>(random.Next()));
    }
    WriteLocal(scratch / "run", bytes);
    const absl::Status status = ReadRuns(scratch / "run").status();
    ASSERT_TRUE(absl::IsDataLoss(status)) << at << ": " << status;
  }
}

TEST(RunFile, GarbageIsNoRunFile) {
  ScratchDirectory scratch;
  Random random(6);
  for (int i = 0; i < 500; ++i) {
    std::string bytes(random.Below(2000), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.Next());
    WriteLocal(scratch / "run", bytes);
    ASSERT_TRUE(absl::IsDataLoss(RunFile::Open(scratch / "run").status()));
  }
  EXPECT_TRUE(absl::IsNotFound(RunFile::Open(scratch / "none").status()));
}

TEST(RunFile, APartitionThatIsNotThereIsAnError) {
  ScratchDirectory scratch;
  ASSERT_NO_FATAL_FAILURE(WriteRuns(scratch / "run", SmallRuns(), 3));
  std::vector<std::unique_ptr<BlockSource>> sources;
  EXPECT_TRUE(OpenPartition(scratch / "run", 2, &sources).ok());
  EXPECT_EQ(sources.size(), 1u);
  EXPECT_TRUE(absl::IsDataLoss(OpenPartition(scratch / "run", 3, &sources)));
  EXPECT_TRUE(absl::IsDataLoss(OpenPartition(scratch / "run", 0xffffffff, &sources)));
}

TEST(RunFile, AWriterThatDiedLeftNoRunFile) {
  ScratchDirectory scratch;
  {
    auto writer = RunWriter::Create(scratch / "run", 1);
    ASSERT_TRUE(writer.ok());
    (*writer)->BeginRun();
    for (int i = 0; i < 300000; ++i) (*writer)->Add("a key", "a value");
    ASSERT_TRUE((*writer)->EndRun().ok());
  }
  EXPECT_TRUE(absl::IsDataLoss(RunFile::Open(scratch / "run").status()));
}

TEST(RunWriter, ReportsAFullDisk) {
  auto writer = RunWriter::Create("/dev/full", 1);
  ASSERT_TRUE(writer.ok());
  (*writer)->BeginRun();
  (*writer)->Add("key", "value");
  EXPECT_TRUE((*writer)->EndRun().ok());  // not written yet
  EXPECT_TRUE(absl::IsResourceExhausted((*writer)->Finish()));

  writer = RunWriter::Create("/dev/full", 1);
  ASSERT_TRUE(writer.ok());
  (*writer)->BeginRun();
  for (int i = 0; i < 300000; ++i) (*writer)->Add("a key", "a value");
  EXPECT_TRUE(absl::IsResourceExhausted((*writer)->EndRun()));
}

/// A partition as a fetch carries it: its segments, and their bytes one after the other.
struct Carried {
  std::vector<Segment> segments;
  std::string bytes;
};

Carried Carry(const std::string& path, std::uint32_t partition) {
  Carried carried;
  const auto file = RunFile::Open(path);
  const std::string whole = ReadLocal(path);
  for (std::uint32_t run = 0; run < (*file)->runs(); ++run) {
    carried.segments.push_back(*(*file)->Find(run, partition));
    carried.bytes += whole.substr(carried.segments.back().offset, carried.segments.back().bytes);
  }
  return carried;
}

absl::Status VerifyInParts(const Carried& carried, Random& random, std::size_t part_max) {
  BlockVerifier verifier("carried", carried.segments);
  for (std::string_view left = carried.bytes; !left.empty();) {
    const std::size_t size = std::min(left.size(), 1 + random.Below(part_max));
    if (absl::Status status = verifier.Feed(left.substr(0, size)); !status.ok()) return status;
    left.remove_prefix(size);
  }
  return verifier.Finish();
}

TEST(BlockVerifier, TakesWhatWasWrittenHoweverItIsCut) {
  ScratchDirectory scratch;
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    ASSERT_NO_FATAL_FAILURE(WriteRuns(scratch / "run", AnyRuns(random, 2, 3000), 2));
    const Carried carried = Carry(scratch / "run", seed % 2);
    for (const std::size_t part_max : {3, 1000, 300'000}) {
      EXPECT_EQ(VerifyInParts(carried, random, part_max), absl::OkStatus());
    }
  }
}

TEST(BlockVerifier, FindsEveryFlippedByteAndEveryOtherSize) {
  ScratchDirectory scratch;
  Random random(7);
  ASSERT_NO_FATAL_FAILURE(WriteRuns(scratch / "run", SmallRuns(), 3));
  const Carried whole = Carry(scratch / "run", 0);
  for (std::size_t at = 0; at < whole.bytes.size(); ++at) {
    Carried flipped = whole;
    flipped.bytes[at] = static_cast<char>(flipped.bytes[at] ^ 0x20);
    ASSERT_TRUE(absl::IsDataLoss(VerifyInParts(flipped, random, 9))) << "byte " << at;
    const Carried cut = {whole.segments, whole.bytes.substr(0, at)};
    ASSERT_TRUE(absl::IsDataLoss(VerifyInParts(cut, random, 9))) << at << " bytes";
  }
  EXPECT_TRUE(absl::IsDataLoss(VerifyInParts({whole.segments, whole.bytes + "x"}, random, 9)));
  EXPECT_TRUE(absl::IsDataLoss(VerifyInParts({{}, "x"}, random, 9)));
  EXPECT_TRUE(absl::IsDataLoss(VerifyInParts({{{0, 15, 1}}, whole.bytes}, random, 9)));
}

/// Blocks from strings.
class StringSource final : public BlockSource {
 public:
  explicit StringSource(std::string block) : block_(std::move(block)), size_(block_.size()) {
    block_.append(kBlockSlack, '\0');
  }
  absl::StatusOr<std::string_view> Next() override {
    return std::string_view(block_).substr(0, std::exchange(size_, 0));
  }

 private:
  std::string block_;
  std::size_t size_;
};

TEST(Merger, ARecordThatLeavesItsBlockIsFound) {
  for (const std::string& bad :
       {std::string("\x05\x01"
                    "abcd"),
        std::string("\x01\x05"
                    "abcd"),
        std::string("\x80"), std::string("\x01"), std::string(11, '\xff'),
        std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                    "\x01"
                    "ab")}) {
    std::vector<std::unique_ptr<BlockSource>> sources;
    sources.push_back(
        std::make_unique<StringSource>(std::string("\x01\x01"
                                                   "kv")));
    sources.push_back(std::make_unique<StringSource>(bad));
    Merger merger(std::move(sources));
    EXPECT_TRUE(absl::IsDataLoss(merger.Start()));
    EXPECT_EQ(merger.failed_source(), 1u);
  }
}

TEST(Merger, KeysOfTheGreatestBytesAreNotTheEnd) {
  for (const std::size_t sources_count : {1, 2, 3, 7}) {
    std::vector<std::unique_ptr<BlockSource>> sources;
    for (std::size_t i = 0; i < sources_count; ++i) {
      const std::string greatest(16, '\xff');
      sources.push_back(std::make_unique<StringSource>(
          i % 2 == 1 ? std::string() : std::string("\x10\x01") + greatest + "v"));
    }
    Merger merger(std::move(sources));
    ASSERT_TRUE(merger.Start().ok());
    std::size_t records = 0;
    for (; !merger.done(); ++records) ASSERT_TRUE(merger.Pop().ok());
    EXPECT_EQ(records, (sources_count + 1) / 2);
  }
}

TEST(Merger, OfNoSourcesIsDone) {
  Merger merger({});
  ASSERT_TRUE(merger.Start().ok());
  EXPECT_TRUE(merger.done());
}

}  // namespace
}  // namespace trireme::mapreduce
