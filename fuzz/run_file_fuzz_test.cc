// The fuzzer's entry with bytes from a seed, for builds without libFuzzer.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/bytes.h"
#include "base/random.h"
#include "mapreduce/engine/run_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace trireme::mapreduce {
namespace {

void Feed(char mode, const std::string& bytes) {
  const std::string input = mode + bytes;
  ASSERT_EQ(
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size()), 0);
}

/// Overwrites, inserts or removes some bytes.
void Mutate(Random& random, std::string& bytes) {
  for (std::uint64_t i = 0, n = random.Below(6); i < n && !bytes.empty(); ++i) {
    const std::size_t at = random.Below(bytes.size());
    if (random.OneIn(3)) {
      bytes.erase(at, 1 + random.Below(20));
    } else if (random.OneIn(2)) {
      bytes.insert(at, 1 + random.Below(20), static_cast<char>(random.Next()));
    } else {
      bytes[at] = static_cast<char>(random.Next());
    }
  }
}

std::string SoundFile(Random& random) {
  const std::string path = std::filesystem::temp_directory_path() /
                           ("trireme-fuzz-" + std::to_string(::getpid()) + ".run");
  auto writer = RunWriter::Create(path, 3);
  EXPECT_TRUE(writer.ok());
  for (std::uint64_t run = 0, runs = random.Below(4); run < runs; ++run) {
    (*writer)->BeginRun();
    for (std::uint32_t partition = 0; partition < 3; ++partition) {
      for (std::uint64_t i = 0, n = random.Below(4); i < n; ++i) {
        (*writer)->BeginPartition(partition);
        (*writer)->Add(std::string(random.Below(30), 'k'), std::string(random.Below(5), 'v'));
      }
    }
    EXPECT_TRUE((*writer)->EndRun().ok());
  }
  EXPECT_TRUE((*writer)->Finish().ok());
  std::ifstream in(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  std::filesystem::remove(path);
  return bytes;
}

TEST(RunFileFuzz, SoundFilesWithBytesChanged) {
  for (std::uint64_t seed = 0; seed < 3000; ++seed) {
    Random random(seed);
    std::string bytes = SoundFile(random);
    Mutate(random, bytes);
    Feed(0, bytes);
  }
}

TEST(RunFileFuzz, PayloadsOfAnyBytes) {
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    Random random(seed);
    std::string bytes;
    for (std::uint64_t i = 0, n = random.Below(20); i < n; ++i) {
      const std::string key(random.Below(20), '\xff'), value(random.Below(20), 'v');
      AppendVarint(bytes, key.size());
      AppendVarint(bytes, random.OneIn(30) ? random.Next() >> random.Below(64) : value.size());
      bytes += key + value;
    }
    Mutate(random, bytes);
    Feed(static_cast<char>(1 + 3 * random.Below(5)), bytes);
    Feed(2, bytes);
  }
}

}  // namespace
}  // namespace trireme::mapreduce
