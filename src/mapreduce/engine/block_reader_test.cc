#include "mapreduce/engine/block_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "base/random.h"
#include "mapreduce/engine/fake_files.h"
#include "mapreduce/engine/splits.h"

namespace trireme::mapreduce {
namespace {

using Kind = InputFormat::Kind;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// A record as read, with everything copied.
struct Seen {
  std::string key, value, file;
  std::uint64_t offset;
  bool operator==(const Seen& o) const {
    return std::tie(key, value, file, offset) == std::tie(o.key, o.value, o.file, o.offset);
  }
};

std::ostream& operator<<(std::ostream& to, const Seen& seen) {
  return to << seen.file << "@" << seen.offset << " " << ::testing::PrintToString(seen.value);
}

/// Lines that end in ';' and a space, to have a separator of two bytes.
class SemicolonFormat final : public RecordFormat {
 public:
  std::size_t Synchronize(std::string_view data) const override {
    const std::size_t at = data.find("; ");
    return at == std::string_view::npos ? data.size() : at + 2;
  }
  std::size_t Next(std::string_view data, bool at_end, Record* record) const override {
    const std::size_t at = data.find("; ");
    if (at == std::string_view::npos && !at_end) return 0;
    record->value = data.substr(0, at);
    return at == std::string_view::npos ? data.size() : at + 2;
  }
};

absl::Status Read(BlockReader& reader, std::vector<Seen>* seen) {
  Block block;
  for (;;) {
    absl::StatusOr<bool> more = reader.Next(&block);
    if (!more.ok()) return more.status();
    if (!*more) return absl::OkStatus();
    // The padding is readable: the address sanitizer sees to that.
    volatile char sum = 0;
    for (std::size_t i = 0; i < kBlockPadding; ++i)
      sum = sum + block.data.data()[block.data.size() + i];
    RecordIterator records(block, reader);
    for (Record r; records.Next(&r);) {
      seen->push_back({std::string(r.key), std::string(r.value), std::string(r.file), r.offset});
    }
  }
}

std::vector<Seen> ReadAll(FakeFiles& files, const BlockReaderOptions& options,
                          std::uint64_t split_bytes) {
  std::vector<Seen> seen;
  const auto splits = PlanSplits(files.Infos(), options.format, split_bytes);
  EXPECT_TRUE(splits.ok()) << splits.status();
  for (const Split& split : *splits) {
    BlockReader reader(&files, split, options);
    const absl::Status status = Read(reader, &seen);
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(reader.input_bytes_read(), split.SizeBytes());
  }
  return seen;
}

/// The dumb twin: what the records of some bytes are.
void SplitBy(const std::string& separator, const std::string& path, const std::string& contents,
             std::vector<Seen>* seen) {
  for (std::size_t at = 0; at < contents.size();) {
    const std::size_t end = std::min(contents.find(separator, at), contents.size());
    seen->push_back({"", contents.substr(at, end - at), path, at});
    at = end + separator.size();
  }
}

/// Bytes with separators about as often as a block of the tests is long, sometimes much rarer.
std::string RandomText(Random& random, const std::string& separator) {
  std::string text;
  const std::uint64_t size = random.Below(20000);
  const std::uint64_t rarity = 1 + random.Below(random.OneIn(4) ? 10000 : 100);
  while (text.size() < size) {
    if (random.OneIn(rarity)) {
      text += separator;
    } else {
      text += static_cast<char>(random.OneIn(3) ? random.Below(256) : 'a' + random.Below(26));
    }
  }
  return text;
}

struct World {
  FakeFiles files;
  std::vector<Seen> expected;
};

World RandomWorld(Random& random, const std::string& separator) {
  World world;
  const std::uint64_t count = 1 + random.Below(4);
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string text = RandomText(random, separator);
    std::string path = "file" + std::to_string(i);
    std::string stored = text;
    const std::string_view halves[] = {std::string_view(text).substr(0, text.size() / 2),
                                       std::string_view(text).substr(text.size() / 2)};
    switch (random.Below(5)) {
      case 0:
        path += ".gz";
        stored = Gzip(std::string(halves[0])) + Gzip(std::string(halves[1]));
        break;
      case 1:
        path += ".zst";
        stored = Zstd(std::string(halves[0])) + Zstd(std::string(halves[1]));
        break;
      default:
        break;
    }
    world.files.files[path] = stored;
    SplitBy(separator, path, text, &world.expected);
  }
  return world;
}

BlockReaderOptions RandomOptions(Random& random) {
  BlockReaderOptions options;
  options.buffer_bytes = 2048 + random.Below(4096);
  return options;
}

TEST(BlockReaderTest, LinesOfAllSplitsAreTheLinesOfTheFiles) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    World world = RandomWorld(random, "\n");
    const std::uint64_t split_bytes = 1 + random.Below(random.OneIn(2) ? 30 : 8000);
    ASSERT_EQ(ReadAll(world.files, RandomOptions(random), split_bytes), world.expected);
  }
}

TEST(BlockReaderTest, RecordsOfTheJobsOwnFormatAreCutAlike) {
  const SemicolonFormat format;
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    World world = RandomWorld(random, "; ");
    BlockReaderOptions options = RandomOptions(random);
    options.record_format = &format;
    ASSERT_EQ(ReadAll(world.files, options, 1 + random.Below(random.OneIn(2) ? 30 : 8000)),
              world.expected);
  }
}

TEST(BlockReaderTest, FixedRecordsOfAllSplitsAreThoseOfTheFiles) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const std::size_t n = 1 + random.Below(random.OneIn(5) ? 9000 : 50);
    FakeFiles files;
    std::vector<Seen> expected;
    for (const char* path : {"a", "b.gz", "c.zst"}) {
      std::string data;
      for (std::uint64_t left = random.Below(200 * n); left != 0; --left)
        data += static_cast<char>(random.Next());
      data.resize(data.size() / n * n);
      for (std::size_t at = 0; at < data.size(); at += n)
        expected.push_back({"", data.substr(at, n), path, at});
      files.files[path] = path[0] == 'a' ? data : path[0] == 'b' ? Gzip(data) : Zstd(data);
    }
    BlockReaderOptions options = RandomOptions(random);
    options.format = {Kind::kFixed, static_cast<std::uint32_t>(n)};
    ASSERT_EQ(ReadAll(files, options, 1 + random.Below(10 * n)), expected);
  }
}

TEST(BlockReaderTest, WholeFilesAreRecordsKeyedByName) {
  FakeFiles files;
  files.files = {{"big", std::string(100000, 'x')}, {"empty", ""}, {"z.gz", Gzip("inside")}};
  BlockReaderOptions options;
  options.format = {Kind::kFiles};
  options.buffer_bytes = 4096;
  const std::vector<Seen> expected = {{"big", std::string(100000, 'x'), "big", 0},
                                      {"empty", "", "empty", 0},
                                      {"z.gz", "inside", "z.gz", 0}};
  EXPECT_EQ(ReadAll(files, options, 10), expected);
}

absl::Status StatusOf(FakeFiles files, const std::string& path, BlockReaderOptions options = {},
                      std::uint64_t length = 0) {
  std::vector<Seen> seen;
  const std::uint64_t size = length != 0 ? length : files.files[path].size();
  BlockReader reader(&files, Split{{{path, 0, size}}}, options);
  return Read(reader, &seen);
}

TEST(BlockReaderTest, RecordOverTheLimitIsRefusedByNameAndOffset) {
  FakeFiles files;
  files.files["logs"] = "short\n" + std::string(50000, 'x') + "\nshort\n";
  BlockReaderOptions options;
  options.buffer_bytes = 4096;
  options.record_bytes_max = 20000;
  const absl::Status status = StatusOf(files, "logs", options);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("logs"), HasSubstr("offset 6"), HasSubstr("20000")));
  options.record_bytes_max = 60000;
  EXPECT_TRUE(StatusOf(files, "logs", options).ok());
}

TEST(BlockReaderTest, FileThatShrankIsAnError) {
  FakeFiles files;
  files.files["logs"] = "a\nb\n";
  const absl::Status status = StatusOf(files, "logs", {}, 1000);
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("logs"), HasSubstr("1000")));
}

TEST(BlockReaderTest, FileThatIsGoneIsAnError) {
  EXPECT_EQ(StatusOf({}, "gone", {}, 5).code(), absl::StatusCode::kNotFound);
}

TEST(BlockReaderTest, CutOffCompressedFilesAreErrorsThatNameThem) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += std::to_string(i * 7919) + "\n";
  for (const std::string path : {"x.gz", "x.zst"}) {
    FakeFiles files;
    const std::string whole = path == "x.gz" ? Gzip(text) : Zstd(text);
    for (std::size_t size = 1; size < whole.size(); size += 37) {
      files.files[path] = whole.substr(0, size);
      const absl::Status status = StatusOf(files, path);
      ASSERT_EQ(status.code(), absl::StatusCode::kDataLoss) << size;
      ASSERT_THAT(std::string(status.message()), HasSubstr(path));
    }
  }
}

TEST(BlockReaderTest, DamagedCompressedFilesAreRefusedOrReadRight) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += std::to_string(i * 7919) + "\n";
  const std::string good[] = {Gzip(text), Zstd(text)};
  std::vector<Seen> expected[2];
  SplitBy("\n", "x.gz", text, &expected[0]);
  SplitBy("\n", "x.zst", text, &expected[1]);
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    Random random(seed);
    const bool zstd = random.OneIn(2);
    const std::string path = zstd ? "x.zst" : "x.gz";
    std::string bytes = good[zstd];
    for (std::uint64_t flips = 1 + random.Below(4); flips != 0; --flips)
      bytes[random.Below(bytes.size())] ^= static_cast<char>(1 + random.Below(255));
    if (random.OneIn(3)) bytes.resize(random.Below(bytes.size()));
    FakeFiles files;
    files.files[path] = bytes;
    std::vector<Seen> seen;
    BlockReader reader(&files, Split{{{path, 0, bytes.size()}}}, {});
    if (Read(reader, &seen).ok()) {
      ASSERT_EQ(seen, bytes.empty() ? std::vector<Seen>() : expected[zstd]) << seed;
    } else {
      ++refused;
    }
  }
  EXPECT_GT(refused, 900);
}

TEST(BlockReaderTest, GzipMayEndInZerosButNotInGarbage) {
  FakeFiles files;
  files.files["x.gz"] = Gzip("a\n") + std::string(512, '\0');
  EXPECT_TRUE(StatusOf(files, "x.gz").ok());
  files.files["x.gz"] += "b";
  EXPECT_THAT(std::string(StatusOf(files, "x.gz").message()), HasSubstr("garbage"));
}

TEST(BlockReaderTest, CompressedFixedRecordsMustBeWhole) {
  FakeFiles files;
  files.files["x.gz"] = Gzip("0123456789abc");
  BlockReaderOptions options;
  options.format = {Kind::kFixed, 5};
  EXPECT_THAT(std::string(StatusOf(files, "x.gz", options).message()),
              AllOf(HasSubstr("x.gz"), HasSubstr("3 bytes"), HasSubstr("offset 10")));
}

class StuckFormat final : public RecordFormat {
  std::size_t Synchronize(std::string_view data) const override { return data.size() + 1; }
  std::size_t Next(std::string_view, bool, Record*) const override { return 0; }
};

TEST(BlockReaderTest, FormatThatBreaksItsContractIsNamed) {
  const StuckFormat format;
  BlockReaderOptions options;
  options.record_format = &format;
  FakeFiles files;
  files.files["x"] = std::string(5000, 'x');
  EXPECT_THAT(std::string(StatusOf(files, "x", options).message()), HasSubstr("Next returned 0"));
}

}  // namespace
}  // namespace trireme::mapreduce
