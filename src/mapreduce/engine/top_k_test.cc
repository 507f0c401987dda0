#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/random.h"
#include "mapreduce/engine/task_testing.h"

namespace trireme::mapreduce {
namespace {

/// "key number" lines.
Job TopJob(std::size_t k) {
  Job job;
  job.mapper = MapBy([](const Record& record, Emitter& out) {
    const std::size_t space = record.value.find(' ');
    out.Emit(record.value.substr(0, space), record.value.substr(space + 1));
  });
  job.combiner = TopKCombiner(k);
  job.reducer = TopKReducer(k);
  return job;
}

std::string RunJob(Bench& bench, const Job& job, const std::string& input) {
  bench.files.files["in"] = input;
  const auto mapped = bench.Map(job, bench.MapOf("in"));
  if (!mapped.ok()) return std::string(mapped.status().message());
  const auto reduced = bench.Reduce(job, bench.ReduceOf(0, 1));
  if (!reduced.ok()) return std::string(reduced.status().message());
  return bench.Part("part-0");
}

TEST(TopK, LargestFirstWithRepeatsAndNegatives) {
  Bench bench;
  EXPECT_EQ(RunJob(bench, TopJob(3), "a 5\na -7\nb -2\na 9\na 9\na 1\nb -9223372036854775808\n"),
            "a\t9,9,5\nb\t-2,-9223372036854775808\n");
  EXPECT_EQ(RunJob(bench, TopJob(1), "a 5\na 9223372036854775807\n"), "a\t9223372036854775807\n");
}

TEST(TopK, OfNoneIsAnEmptyList) {
  Bench bench;
  Job job = TopJob(0);
  job.combiner = nullptr;
  EXPECT_EQ(RunJob(bench, job, "a 5\na 9\n"), "a\n");
}

TEST(TopK, EqualsASortWhateverTheSpills) {
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Bench bench;
    bench.memory_bytes = 200 + random.Below(20000);
    const std::size_t k = 1 + random.Below(12);
    std::string input;
    std::map<std::string, std::vector<std::int64_t>> twin;
    for (std::uint64_t i = 0, n = random.Below(3000); i < n; ++i) {
      const std::string key(1, static_cast<char>('a' + random.Below(20)));
      const auto number = static_cast<std::int64_t>(random.Below(2000)) - 1000;
      input += fmt::format("{} {}\n", key, number);
      twin[key].push_back(number);
    }
    std::string want;
    for (auto& [key, numbers] : twin) {
      std::sort(numbers.rbegin(), numbers.rend());
      numbers.resize(std::min(numbers.size(), k));
      want += fmt::format("{}\t{}\n", key, fmt::join(numbers, ","));
    }
    ASSERT_EQ(RunJob(bench, TopJob(k), input), want);
  }
}

TEST(TopK, AValueThatIsNoNumberFailsTheAttempt) {
  Bench bench;
  EXPECT_EQ(RunJob(bench, TopJob(2), "a 5\na 7up\n"), "value '7up' is not a whole number");
  Job job = TopJob(2);
  job.combiner = nullptr;
  EXPECT_EQ(RunJob(bench, job, "a 5\na 99999999999999999999\n"),
            "value '99999999999999999999' of key 'a' is not a whole number");
}

}  // namespace
}  // namespace trireme::mapreduce
