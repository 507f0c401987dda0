// What is compiled into user code, at the edges of memory.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <trireme/mapreduce.h>

#include <iterator>
#include <string>
#include <vector>

#include "base/random.h"
#include "mapreduce/engine/hash.h"
#include "mapreduce/engine/number.h"
#include "mapreduce/engine/run_file.h"
#include "mapreduce/engine/task_testing.h"

namespace trireme::mapreduce {
namespace {

static_assert(std::input_iterator<Words::Iterator>);

/// Memory between two pages that nobody may touch.
class Guarded {
 public:
  static constexpr std::size_t kPage = 4096, kBytes = 2 * kPage;
  Guarded() {
    base_ = static_cast<char*>(
        ::mmap(nullptr, kBytes + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    EXPECT_EQ(::mprotect(base_ + kPage, kBytes, PROT_READ | PROT_WRITE), 0);
  }
  ~Guarded() { ::munmap(base_, kBytes + 2 * kPage); }
  /// A copy that ends where memory ends.
  std::string_view AtEnd(std::string_view bytes) {
    return Put(base_ + kPage + kBytes - bytes.size(), bytes);
  }
  std::string_view AtFront(std::string_view bytes) { return Put(base_ + kPage, bytes); }
  /// A copy that ends `before` bytes before the border of the two pages within.
  std::string_view AtBorder(std::string_view bytes, std::size_t before) {
    return Put(base_ + 2 * kPage - before - bytes.size(), bytes);
  }

 private:
  static std::string_view Put(char* to, std::string_view bytes) {
    std::copy(bytes.begin(), bytes.end(), to);
    return {to, bytes.size()};
  }
  char* base_;
};

std::vector<std::string> NaiveWords(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char byte : std::string(text) + " ") {
    const auto code = static_cast<unsigned char>(byte);
    if (code != 32 && (code < 9 || code > 13)) {
      word += byte;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  return words;
}

std::vector<std::string> ListWords(std::string_view text) {
  std::vector<std::string> words;
  ForEachWord(text, [&](std::string_view word) { words.emplace_back(word); });
  return words;
}

std::string RandomText(Random& random, std::size_t size) {
  std::string text(size, '\0');
  const std::uint64_t rarity = 1 + random.Below(30);
  for (char& byte : text)
    byte = random.OneIn(rarity) ? " \t\n\v\f\r"[random.Below(6)] : static_cast<char>(random.Next());
  return text;
}

TEST(ForEachWord, NeverLeavesTheTextWhereverItLies) {
  Guarded memory;
  Random random(1);
  for (std::size_t size = 0; size <= 200; ++size) {
    for (int i = 0; i < 10; ++i) {
      const std::string text = RandomText(random, size);
      const auto want = NaiveWords(text);
      ASSERT_EQ(ListWords(memory.AtEnd(text)), want) << size;
      ASSERT_EQ(ListWords(memory.AtFront(text)), want) << size;
    }
  }
}

TEST(ForEachWord, OfNothing) {
  EXPECT_TRUE(ListWords({}).empty());
  EXPECT_TRUE(ListWords("").empty());
  EXPECT_TRUE(ListWords(" \n\t").empty());
}

internal::KeyPrefix NaivePrefix(std::string_view key) {
  internal::KeyPrefix prefix{0, 0};
  if (!key.empty()) std::memcpy(&prefix, key.data(), std::min<std::size_t>(16, key.size()));
  return prefix;
}

void ExpectPrefix(std::string_view key) {
  const internal::KeyPrefix got = PrefixOf(key), want = NaivePrefix(key);
  ASSERT_EQ(got.k0, want.k0) << key.size();
  ASSERT_EQ(got.k1, want.k1) << key.size();
}

TEST(KeyPrefix, NeverLeavesThePageAndIsZeroPadded) {
  Guarded memory;
  Random random(2);
  for (std::size_t size = 0; size <= 40; ++size) {
    std::string key(size, '\0');
    for (char& byte : key) byte = static_cast<char>(random.Next());
    ExpectPrefix(memory.AtEnd(key));
    ExpectPrefix(memory.AtFront(key));
    for (std::size_t before = 0; before <= 40; ++before) ExpectPrefix(memory.AtBorder(key, before));
  }
  ExpectPrefix({});
}

TEST(HashKey, DependsOnTheBytesAndTheSizeOnly) {
  Guarded memory;
  Random random(3);
  for (std::size_t size = 0; size <= 40; ++size) {
    std::string key(size, '\0');
    for (char& byte : key) byte = static_cast<char>(random.Next());
    ASSERT_EQ(HashKey(memory.AtEnd(key)), HashKey(memory.AtFront(key + "behind").substr(0, size)));
    ASSERT_NE(HashKey(key), HashKey(key + '\0'));
  }
}

/// Hashes decide which part file a key is in: they may not change between releases.
TEST(HashKey, IsWhatItWas) {
  EXPECT_EQ(HashPartition("", 1000), 714u);
  EXPECT_EQ(HashPartition("the", 1000), 52u);
  EXPECT_EQ(HashPartition("sixteen bytes ok", 1000), 937u);
  EXPECT_EQ(HashPartition("a key of more than sixteen bytes", 1000), 554u);
}

TEST(RunWriter, NeverReadsBeyondWhatItIsGiven) {
  Guarded memory;
  ScratchDirectory scratch;
  auto writer = RunWriter::Create(scratch / "run", 1);
  ASSERT_TRUE(writer.ok());
  (*writer)->BeginRun();
  for (std::size_t size = 0; size <= 40; ++size) {
    const std::string bytes(size, 'x');
    (*writer)->Add(memory.AtEnd(bytes), memory.AtEnd(bytes));
    (*writer)->Add(memory.AtFront(bytes), {});
    (*writer)->Add({}, memory.AtEnd(bytes));
  }
  ASSERT_TRUE((*writer)->EndRun().ok());
  ASSERT_TRUE((*writer)->Finish().ok());
  EXPECT_EQ((*writer)->records(), 3u * 41);
}

TEST(Emit, TakesViewsOfNothing) {
  for (const Aggregation how : {Aggregation::kNone, Aggregation::kSum}) {
    Bench bench;
    bench.files.files["in"] = "x\n";
    Job job;
    job.aggregation = how;
    job.mapper = MapBy([](const Record& record, Emitter& out) {
      out.Emit(record.key, 2);  // of a line: a view with no memory behind it
      out.Emit({}, std::string_view("3"));
      if (out.Param("text").empty()) return;
      out.Emit({}, std::string_view());
    });
    if (how == Aggregation::kNone) bench.settings.parameters["text"] = "yes";
    ASSERT_TRUE(bench.Map(job, bench.MapOf("in")).ok());
    ASSERT_TRUE(bench.Reduce(job, bench.ReduceOf(0, 1)).ok());
    EXPECT_EQ(bench.Part("part-0"), how == Aggregation::kNone ? "\t2\n\t3\n\n" : "\t5\n");
  }
}

TEST(Number, RoundTripsAndRefusesAllElse) {
  Random random(4);
  for (int i = 0; i < 2000; ++i) {
    const auto number = static_cast<std::int64_t>(random.Next() >> random.Below(64));
    for (const std::int64_t n : {number, -number, ~number}) {
      std::int64_t back = 0;
      const EncodedNumber encoded(n);
      ASSERT_TRUE(DecodeNumber(encoded.view(), &back));
      ASSERT_EQ(back, n);
      ASSERT_FALSE(DecodeNumber(std::string(encoded.view()) + '\0', &back));
      ASSERT_FALSE(DecodeNumber(encoded.view().substr(0, encoded.size - 1), &back));
      ASSERT_TRUE(ParseNumber(DecimalNumber(n).view(), &back));
      ASSERT_EQ(back, n);
    }
  }
  std::int64_t unused = 0;
  EXPECT_FALSE(DecodeNumber({}, &unused));
  for (const char* text : {"", "-", "+1", " 1", "1 ", "0x1", "9223372036854775808", "1.0"})
    EXPECT_FALSE(ParseNumber(text, &unused)) << text;
  EXPECT_FALSE(ParseNumber({}, &unused));
}

}  // namespace
}  // namespace trireme::mapreduce
