#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "mapreduce/engine/memory_region.h"
#include "mapreduce/engine/task_testing.h"

namespace trireme::mapreduce {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Job EchoJob() {
  Job job;
  job.mapper = MapBy([](const Record& record, Emitter& out) { out.Emit(record.value, "x"); });
  return job;
}

/// The first letter of a line is what the mapper does with it.
Job ObedientJob() {
  Job job;
  job.mapper = MapBy([](const Record& record, Emitter& out) {
    if (record.value[0] == 't') throw std::runtime_error("as told");
    if (record.value[0] == 'i') throw 42;
    if (record.value[0] == 'f') out.Fail("failed as told");
    out.Emit(record.value, "x");
  });
  return job;
}

TEST(MapTask, WhatTheUserThrowsFailsTheAttemptWithItsRecordInHand) {
  Bench bench;
  bench.files.files["in"] = "good\nthrow\nmore\n";
  const auto thrown = bench.Map(ObedientJob(), bench.MapOf("in"));
  EXPECT_EQ(thrown.status(), absl::AbortedError("the map threw: as told"));
  EXPECT_EQ(bench.progress.in_record, 1u);
  EXPECT_EQ(bench.progress.offset, 5u);

  bench.files.files["in"] = "good\ngood\nint\n";
  const auto thrown_int = bench.Map(ObedientJob(), bench.MapOf("in"));
  EXPECT_TRUE(absl::IsAborted(thrown_int.status())) << thrown_int.status();
  EXPECT_EQ(bench.progress.offset, 10u);
}

TEST(MapTask, FailEndsTheAttemptWithItsRecordInHand) {
  Bench bench;
  bench.files.files["in"] = "good\nfail\nthrow\n";
  const auto failed = bench.Map(ObedientJob(), bench.MapOf("in"));
  EXPECT_EQ(failed.status(), absl::AbortedError("failed as told"));
  EXPECT_EQ(bench.progress.in_record, 1u);
  EXPECT_EQ(bench.progress.offset, 5u);
  EXPECT_EQ(bench.progress.records, 2u);
}

TEST(MapTask, ASlotIsGoodAsNewAfterAFailedAttempt) {
  for (const Aggregation how : {Aggregation::kNone, Aggregation::kCount}) {
    Bench bench;
    Job job = ObedientJob();
    job.aggregation = how;
    job.mapper = MapBy([](const Record& record, Emitter& out) {
      out.Emit(record.value, 1);
      if (record.value[0] == 't') throw std::runtime_error("as told");
    });
    bench.files.files["in"] = "a longer line than sixteen bytes\ngood\nthrow\n";
    EXPECT_FALSE(bench.Map(job, bench.MapOf("in")).ok());
    bench.files.files["in"] = "only\n";
    ASSERT_TRUE(bench.Map(job, bench.MapOf("in")).ok());
    ASSERT_TRUE(bench.Reduce(job, bench.ReduceOf(0, 1)).ok());
    EXPECT_EQ(bench.Part("part-0"), "only\t1\n");
  }
}

TEST(MapTask, CancellationIsSeenAtTheNextRecord) {
  Bench bench;
  for (int i = 0; i < 1000; ++i) bench.files.files["in"] += "line\n";
  int records = 0;
  Job job;
  job.mapper = MapBy([&](const Record&, Emitter&) {
    if (++records == 10) bench.control.cancelled = true;
  });
  EXPECT_TRUE(absl::IsCancelled(bench.Map(job, bench.MapOf("in")).status()));
  EXPECT_EQ(records, 10);
}

TEST(MapTask, SkippedRecordsAreCountedByRangeAndOffset) {
  Bench bench;
  bench.files.files["a"] = "a0\na1\na2\n";
  bench.files.files["b"] = "b0\nb1\nb2\n";
  MapTask task = bench.MapOf("a");
  // The same file twice is two inputs.
  task.split.ranges = {{"a", 0, 9}, {"a", 0, 9}, {"b", 0, 9}};
  task.skip = {{0, 3}, {1, 0}, {2, 6}};
  const auto result = bench.Map(EchoJob(), task);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->counters.at({"trireme", "records skipped"}), 3);
  EXPECT_EQ(result->input_records, 6u);
  EXPECT_EQ(result->input_bytes, 27u);
  ASSERT_TRUE(bench.Reduce(EchoJob(), bench.ReduceOf(0, 1)).ok());
  EXPECT_EQ(bench.Part("part-0"), "a0\tx\na1\tx\na2\tx\na2\tx\nb0\tx\nb1\tx\n");
}

TEST(MapTask, ProgressNamesTheRangeOfARecordInAFileThatIsReadTwice) {
  Bench bench;
  bench.files.files["a"] = "one\ntwo\n";
  int seen = 0;
  Job job;
  job.mapper = MapBy([&](const Record& record, Emitter& out) {
    if (record.value == "two" && ++seen == 2) out.Fail("the second time");
  });
  MapTask task = bench.MapOf("a");
  task.split.ranges = {{"a", 0, 8}, {"a", 0, 8}};
  EXPECT_FALSE(bench.Map(job, task).ok());
  EXPECT_EQ(bench.progress.range, 1u);
  EXPECT_EQ(bench.progress.offset, 4u);
}

/// Notes how it was called.
class BlockMapper final : public Mapper {
 public:
  struct Calls {
    int blocks = 0, records = 0, starts = 0, finishes = 0;
  };
  BlockMapper(Calls* calls, bool takes_blocks) : calls_(*calls), takes_blocks_(takes_blocks) {}
  void Start(Emitter& out) override {
    ++calls_.starts;
    out.Emit("start", "");
  }
  void Map(const Record&, Emitter&) override { ++calls_.records; }
  bool MapBlock(const Block&, Emitter&) override {
    ++calls_.blocks;
    return takes_blocks_;
  }
  void Finish(Emitter& out) override {
    ++calls_.finishes;
    out.Emit("finish", "");
  }

 private:
  Calls& calls_;
  bool takes_blocks_;
};

TEST(MapTask, AFirstAttemptGoesByBlockARetryByRecord) {
  Bench bench;
  bench.settings.reduces = 0;
  bench.files.files["in"] = "a\nb\nc\n";
  BlockMapper::Calls calls;
  Job job;
  job.mapper = New<BlockMapper>(&calls, true);
  MapTask task = bench.MapOf("in");
  ASSERT_TRUE(bench.Map(job, task).ok());
  EXPECT_EQ(calls.blocks, 1);
  EXPECT_EQ(calls.records, 0);
  task.attempt = 1;
  ASSERT_TRUE(bench.Map(job, task).ok());
  EXPECT_EQ(calls.blocks, 1);
  EXPECT_EQ(calls.records, 3);
  EXPECT_EQ(bench.Part("part-m"), "start\nfinish\n");

  calls = {};
  job.mapper = New<BlockMapper>(&calls, false);
  task.attempt = 0;
  ASSERT_TRUE(bench.Map(job, task).ok());
  EXPECT_EQ(calls.blocks, 1);
  EXPECT_EQ(calls.records, 3);
  EXPECT_EQ(calls.starts, 1);
  EXPECT_EQ(calls.finishes, 1);
}

TEST(MapTask, WithoutReducesItsOutputIsThePart) {
  Bench bench;
  bench.settings.reduces = 0;
  bench.files.files["in"] = "b\na\nb\n";
  Job job;
  for (const Aggregation how : {Aggregation::kNone, Aggregation::kSum}) {
    job.aggregation = how;
    job.mapper = MapBy([](const Record& record, Emitter& out) {
      out.Emit(record.value, 7);
      out.Emit(record.value, "text");
    });
    const auto result = bench.Map(job, bench.MapOf("in"));
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->output_records, 6u);
    EXPECT_EQ(bench.Part("part-m"), "b\t7\nb\ttext\na\t7\na\ttext\nb\t7\nb\ttext\n");
  }
}

TEST(MapTask, WrongPartitionsFailTheAttempt) {
  Bench bench;
  bench.settings.reduces = 3;
  bench.files.files["in"] = "x\n";
  Job job;
  job.mapper = MapBy([](const Record&, Emitter& out) { out.EmitTo(3, "k", "v"); });
  EXPECT_THAT(bench.Map(job, bench.MapOf("in")).status().ToString(),
              HasSubstr("EmitTo partition 3 of 3"));

  class Wild final : public Partitioner {
    std::uint32_t Partition(std::string_view, std::uint32_t n) const override { return n; }
  };
  job.mapper = MapBy([](const Record&, Emitter& out) { out.Emit("k", "1"); });
  job.partitioner = New<Wild>();
  EXPECT_TRUE(absl::IsOutOfRange(bench.Map(job, bench.MapOf("in")).status()));
  job.aggregation = Aggregation::kSum;
  EXPECT_TRUE(absl::IsOutOfRange(bench.Map(job, bench.MapOf("in")).status()));
}

TEST(MapTask, AnAggregationTakesWholeNumbersOnly) {
  Bench bench;
  bench.files.files["in"] = "x\n";
  Job job;
  job.aggregation = Aggregation::kMax;
  job.mapper = MapBy([](const Record&, Emitter& out) { out.Emit("key", "12.5"); });
  EXPECT_THAT(bench.Map(job, bench.MapOf("in")).status().ToString(),
              HasSubstr("value '12.5' of key 'key' is not a whole number"));
  job.mapper = MapBy([](const Record&, Emitter& out) { out.EmitTo(0, "key", "12"); });
  EXPECT_THAT(bench.Map(job, bench.MapOf("in")).status().ToString(), HasSubstr("EmitTo"));
}

/// Eight lines a map, over several maps, each "key" with its map's number.
void MapAll(Bench& bench, const Job& job, std::uint32_t maps) {
  for (std::uint32_t map = 0; map < maps; ++map) {
    std::string& input = bench.files.files[fmt::format("in-{}", map)];
    for (int i = 0; i < 8; ++i) input += fmt::format("key{} {}\n", i, map);
    const auto result = bench.Map(job, bench.MapOf(fmt::format("in-{}", map), map));
    ASSERT_TRUE(result.ok()) << result.status();
  }
}

Job ReducedJob(FunctionReducer::Function reduce) {
  Job job = EchoJob();
  job.reducer = ReduceBy(std::move(reduce));
  return job;
}

TEST(MapTask, ARecordOverTheLimitFailsTheAttempt) {
  const MemoryRegion huge(kIntermediateRecordBytesMax);  // address space: nobody reads it
  for (const Aggregation how : {Aggregation::kNone, Aggregation::kSum}) {
    Bench bench;
    bench.files.files["in"] = "x\n";
    Job job;
    job.aggregation = how;
    job.mapper = MapBy([&](const Record&, Emitter& out) {
      out.Emit({huge.data(), huge.size()}, 1);
    });
    const auto result = bench.Map(job, bench.MapOf("in"));
    EXPECT_EQ(result.status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(result.status().message()), HasSubstr("the limit is"));
  }
}

/// Emits `keys` different keys, each as often as `times`.
Job Counting(std::uint64_t keys, int times) {
  Job job;
  job.aggregation = Aggregation::kSum;
  job.mapper = MapBy([=](const Record&, Emitter& out) {
    for (std::uint64_t i = 0; i < keys; ++i)
      for (int n = 0; n < times; ++n) out.Emit(fmt::format("a key of some length {:09}", i), 1);
  });
  return job;
}

TEST(MapTask, AJobWhoseTableFoldedLittleBeginsWithoutOne) {
  constexpr std::uint64_t kMany = 100000;  // more than the table's budget
  Bench bench;
  bench.memory_bytes = 1 << 20;
  bench.settings.name = "unique";
  bench.files.files["in"] = "x\n";
  ASSERT_TRUE(bench.Map(Counting(10, 1), bench.MapOf("in")).ok());
  EXPECT_FALSE(bench.memory.folds_little.has_value()) << "of a table that was never full";
  ASSERT_TRUE(bench.Map(Counting(kMany, 1), bench.MapOf("in", 0)).ok());
  EXPECT_EQ(bench.memory.folds_little, "unique");
  ASSERT_TRUE(bench.Map(Counting(kMany, 1), bench.MapOf("in", 1)).ok());
  EXPECT_EQ(bench.memory.table.capacity(), 0u);
  // The same whichever of the two collected it.
  ASSERT_TRUE(bench.Reduce(Counting(0, 0), bench.ReduceOf(0, 2)).ok());
  const std::string part = bench.Part("part-0");
  EXPECT_EQ(std::count(part.begin(), part.end(), '\n'), static_cast<std::ptrdiff_t>(kMany));
  EXPECT_THAT(part, ::testing::StartsWith("a key of some length 000000000\t2\n"));
  bench.settings.name = "another";
  ASSERT_TRUE(bench.Map(Counting(kMany, 2), bench.MapOf("in")).ok());
  EXPECT_NE(bench.memory.table.capacity(), 0u);
  EXPECT_FALSE(bench.memory.folds_little.has_value());
}

TEST(ReduceTask, WhatTheUserThrowsOrFailsEndsTheAttempt) {
  Bench bench;
  int groups = 0;
  Job job = ReducedJob([&](std::string_view, Values&, Output&) {
    ++groups;
    throw std::runtime_error("as told");
  });
  ASSERT_NO_FATAL_FAILURE(MapAll(bench, job, 2));
  EXPECT_EQ(bench.Reduce(job, bench.ReduceOf(0, 2)).status(),
            absl::AbortedError("the reduce threw: as told"));
  job.reducer = ReduceBy([&](std::string_view, Values&, Output&) { throw 42; });
  EXPECT_TRUE(absl::IsAborted(bench.Reduce(job, bench.ReduceOf(0, 2)).status()));
  groups = 0;
  job.reducer = ReduceBy([&](std::string_view, Values&, Output& out) {
    if (++groups == 3) out.Fail("at the third");
  });
  EXPECT_EQ(bench.Reduce(job, bench.ReduceOf(0, 2)).status(), absl::AbortedError("at the third"));
  EXPECT_EQ(groups, 3);
  EXPECT_EQ(bench.failure.lost_map, TaskFailure::kNoMap);
}

TEST(ReduceTask, CancellationIsSeenAtTheNextGroupWithProgressShown) {
  Bench bench;
  int groups = 0;
  Job job = ReducedJob([&](std::string_view, Values&, Output&) {
    if (++groups == 3) bench.control.cancelled = true;
  });
  ASSERT_NO_FATAL_FAILURE(MapAll(bench, job, 2));
  EXPECT_TRUE(absl::IsCancelled(bench.Reduce(job, bench.ReduceOf(0, 2)).status()));
  EXPECT_EQ(groups, 3);
  EXPECT_GE(bench.progress.records, 2u);
  EXPECT_LT(bench.progress.records, 16u);
}

TEST(ReduceTask, SaysHowFarItIsInBytes) {
  for (const std::uint32_t maps : {2u, 40u}) {  // one merge, or several
    Bench bench;
    bench.memory_bytes = 1 << 20;
    Job job = EchoJob();
    std::vector<double> shares;
    job.reducer = ReduceBy([&](std::string_view, Values& values, Output&) {
      for (std::string_view value; values.Next(&value);) {
      }
      shares.push_back(static_cast<double>(bench.progress.bytes) /
                       static_cast<double>(bench.progress.bytes_total));
    });
    std::string text;
    for (int i = 0; i < 9999; ++i) text += fmt::format("key {:05} of some length\n", i);
    bench.files.files["in"] = text;
    for (std::uint32_t map = 0; map < maps; ++map)
      ASSERT_TRUE(bench.Map(job, bench.MapOf("in", map)).ok());
    ASSERT_TRUE(bench.Reduce(job, bench.ReduceOf(0, maps)).ok());
    ASSERT_EQ(shares.size(), 9999u);
    EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
    EXPECT_GT(shares[5000] - shares[0], 0.1) << maps;
    EXPECT_NEAR(shares.back(), 1, 0.02) << maps;
  }
}

TEST(ReduceTask, AValueThatIsNoNumberFailsTheAttempt) {
  Bench bench;
  Job job = ReducedJob([&](std::string_view, Values& values, Output&) {
    std::int64_t number = 0;
    while (values.Next(&number)) {
    }
  });
  ASSERT_NO_FATAL_FAILURE(MapAll(bench, job, 1));
  const absl::Status status = bench.Reduce(job, bench.ReduceOf(0, 1)).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(status.ToString(), HasSubstr("value 'x' of key 'key0 0' is not a whole number"));
}

/// Flips a bit in the first block's payload.
void Damage(const std::string& path) {
  std::string bytes = ReadLocal(path);
  bytes[8 + kBlockHeaderBytes + 2] ^= 1;
  WriteLocal(path, bytes);
}

class LostMap : public ::testing::TestWithParam<std::uint32_t> {};

TEST_P(LostMap, IsTheOneWhoseBlocksAreDamaged) {
  const std::uint32_t maps = GetParam();
  Bench bench;
  bench.memory_bytes = 1;  // merges of the fewest sources
  const Job job = EchoJob();
  ASSERT_NO_FATAL_FAILURE(MapAll(bench, job, maps));
  for (const std::uint32_t bad : {0u, 3u, maps - 2, maps - 1}) {
    const std::string whole = ReadLocal(bench.MapOutput(bad));
    Damage(bench.MapOutput(bad));
    EXPECT_TRUE(absl::IsDataLoss(bench.Reduce(job, bench.ReduceOf(0, maps)).status()));
    EXPECT_EQ(bench.failure.lost_map, bad);
    WriteLocal(bench.MapOutput(bad), whole.substr(0, whole.size() / 2));
    EXPECT_TRUE(absl::IsDataLoss(bench.Reduce(job, bench.ReduceOf(0, maps)).status()));
    EXPECT_EQ(bench.failure.lost_map, bad);
    WriteLocal(bench.MapOutput(bad), whole);
  }
  EXPECT_TRUE(bench.Reduce(job, bench.ReduceOf(0, maps)).ok());
}

// With eight sources per merge: one merge; one level before the last; two.
INSTANTIATE_TEST_SUITE_P(Merges, LostMap, ::testing::Values(5, 30, 100));

/// Flips a bit in the first block of every run that a merge of this process holds open; how many.
int DamageOpenMerges() {
  int damaged = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the listing's own descriptor
    const auto target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target.find("/merge-0-0-") == std::string::npos) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(8 + kBlockHeaderBytes + 2);
    file.put('\x01');
    damaged += file.good() ? 1 : 0;
  }
  return damaged;
}

TEST(ReduceTask, NoMapIsLostWhenARunOfItsOwnIsDamaged) {
  constexpr std::uint32_t kMaps = 20;
  Bench bench;
  bench.memory_bytes = 1;
  const Job job = EchoJob();
  ASSERT_NO_FATAL_FAILURE(MapAll(bench, job, kMaps));
  ReduceTask task = bench.ReduceOf(0, kMaps);
  int damaged = 0;
  task.open = [&, open = task.open](std::uint32_t map) {
    if (map == 12) damaged = DamageOpenMerges();
    return open(map);
  };
  const absl::Status status = bench.Reduce(job, task).status();
  EXPECT_GT(damaged, 0);
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_EQ(bench.failure.lost_map, TaskFailure::kNoMap);
}

/// How many of the run files below `directory` this process has open.
std::size_t OpenRuns(const std::string& directory) {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the listing's own descriptor
    count += std::filesystem::read_symlink(entry.path(), gone).string().starts_with(directory);
  }
  return count;
}

TEST(ReduceTask, AMergeKeepsToItsOpenFiles) {
  constexpr std::uint32_t kMaps = 60;
  Bench bench;
  bench.memory_bytes = 64 << 20;
  bench.files_max = 12;
  const Job job = EchoJob();
  ASSERT_NO_FATAL_FAILURE(MapAll(bench, job, kMaps));
  ReduceTask task = bench.ReduceOf(0, kMaps);
  std::size_t most = 0;
  task.open = [&, open = task.open](std::uint32_t map) {
    auto sources = open(map);
    most = std::max(most, OpenRuns(bench.scratch.path()));
    return sources;
  };
  const auto result = bench.Reduce(job, task);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->input_groups, 8 * kMaps);
  EXPECT_LE(most, bench.files_max);
  EXPECT_GE(most, 4u);
}

TEST(MapTask, MemoryThatTheSystemRefusesFailsTheAttempt) {
  Bench bench;
  bench.files.files["a"] = "one\n";
  Job job;
  job.mapper = MapBy([](const Record&, Emitter&) { MemoryRegion(std::size_t{1} << 60); });
  const absl::Status refused = bench.Map(job, bench.MapOf("a")).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("--memory"));
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr(" MiB"));
}

/// A source that has nothing, as from a map with no record for the partition.
class EmptySource final : public BlockSource {
  absl::StatusOr<std::string_view> Next() override { return std::string_view(); }
};

TEST(ReduceTask, SourcesMayBeEmpty) {
  Bench bench;
  bench.memory_bytes = 1;
  const Job job = EchoJob();
  ASSERT_NO_FATAL_FAILURE(MapAll(bench, job, 1));
  ReduceTask task = bench.ReduceOf(0, 40);
  task.open = [open = task.open](std::uint32_t map) {
    if (map == 33) return open(0);
    std::vector<std::unique_ptr<BlockSource>> sources;
    sources.push_back(std::make_unique<EmptySource>());
    return absl::StatusOr<std::vector<std::unique_ptr<BlockSource>>>(std::move(sources));
  };
  const auto result = bench.Reduce(job, task);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->input_groups, 8u);
}

TEST(ReduceTask, OfNoMapsIsAnEmptyPart) {
  Bench bench;
  const auto result = bench.Reduce(EchoJob(), bench.ReduceOf(0, 0));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(bench.Part("part-0"), "");
}

TEST(ReduceTask, LeavesNothingInItsScratchDirectory) {
  Bench bench;
  bench.memory_bytes = 1;
  const Job job = EchoJob();
  ASSERT_NO_FATAL_FAILURE(MapAll(bench, job, 30));
  ASSERT_TRUE(bench.Reduce(job, bench.ReduceOf(0, 30)).ok());
  for (const auto& entry : std::filesystem::directory_iterator(bench.scratch.path()))
    EXPECT_THAT(entry.path().filename().string(), ::testing::StartsWith("map-"));
}

}  // namespace
}  // namespace trireme::mapreduce
