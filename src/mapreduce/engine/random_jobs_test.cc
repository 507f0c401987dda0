// Collector, run files, merges and both tasks as a whole, against a std::map.
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "base/random.h"
#include "mapreduce/engine/hash.h"
#include "mapreduce/engine/task_testing.h"

namespace trireme::mapreduce {
namespace {

struct Emitted {
  bool chosen_partition = false;
  std::uint32_t partition = 0;
  std::string key, value;
};

/// Everything about a job that a seed draws.
struct Plan {
  explicit Plan(std::uint64_t seed) : random(seed) {
    reduces = static_cast<std::uint32_t>(1 + random.Below(random.OneIn(4) ? 300 : 5));
    memory_bytes = random.OneIn(3) ? 1 + random.Below(2000) : 300 + random.Below(300000);
    maps = static_cast<std::uint32_t>(1 + random.Below(random.OneIn(3) ? 30 : 4));
    records_per_map = random.Below(random.OneIn(4) ? 3000 : 200);
    keys.resize(1 + random.Below(random.OneIn(2) ? 1000 : 12));
    const std::size_t longest = random.OneIn(2) ? 14 : 45;
    for (std::string& key : keys) key = Bytes(LengthUpTo(longest));
    custom_partitioner = random.OneIn(3);
    emit_to = random.OneIn(4);
  }

  /// Mostly short; at times larger than a block, or than all the memory.
  std::size_t LengthUpTo(std::size_t usual) {
    if (random.OneIn(300)) return random.Below(200000);
    if (random.OneIn(20)) return random.Below(3000);
    return random.Below(usual + 1);
  }
  std::string Bytes(std::size_t size) {
    std::string bytes(size, '\0');
    const std::uint64_t alphabet = random.OneIn(2) ? 2 : 256;
    for (char& byte : bytes) byte = static_cast<char>(random.Below(alphabet));
    return bytes;
  }
  const std::string& AnyKey() { return keys[random.Below(keys.size())]; }

  Random random;
  std::uint32_t reduces, maps;
  std::size_t memory_bytes;
  std::uint64_t records_per_map;
  std::vector<std::string> keys;
  bool custom_partitioner, emit_to;
};

class FirstBytePartitioner final : public Partitioner {
 public:
  std::uint32_t Partition(std::string_view key, std::uint32_t partitions) const override {
    return static_cast<std::uint32_t>(key.size() + (key.empty() ? 0 : (key[0] & 0x7f))) %
           partitions;
  }
};

std::uint32_t PartitionFor(const Plan& plan, const Emitted& one) {
  if (one.chosen_partition) return one.partition;
  if (!plan.custom_partitioner) return HashPartition(one.key, plan.reduces);
  return FirstBytePartitioner().Partition(one.key, plan.reduces);
}

/// By partition and key: the values in the order of maps and emission.
using Twin = std::map<std::pair<std::uint32_t, std::string>, std::vector<std::string>>;
using Output = std::vector<std::string>;  // by partition

class RandomJob {
 public:
  explicit RandomJob(std::uint64_t seed) : plan_(seed), outputs_(plan_.maps) {
    if (plan_.custom_partitioner) job_.partitioner = New<FirstBytePartitioner>();
    bench_.settings.reduces = plan_.reduces;
    bench_.memory_bytes = plan_.memory_bytes;
  }

  Plan& plan() { return plan_; }
  Job& job() { return job_; }
  Bench& bench() { return bench_; }

  /// `value` gives each record's value; `emit` emits it.
  template <typename Value, typename Emit>
  void Draw(const Value& value, const Emit& emit) {
    for (std::uint32_t map = 0; map < plan_.maps; ++map) {
      for (std::uint64_t i = 0; i < plan_.records_per_map; ++i) {
        Emitted one;
        one.key = plan_.AnyKey();
        one.value = value();
        one.chosen_partition = plan_.emit_to && plan_.random.OneIn(3);
        one.partition = static_cast<std::uint32_t>(plan_.random.Below(plan_.reduces));
        twin_[{PartitionFor(plan_, one), one.key}].push_back(one.value);
        outputs_[map].push_back(std::move(one));
      }
    }
    job_.mapper = MapBy([this, emit](const Record& record, Emitter& out) {
      for (const Emitted& one : outputs_[std::stoul(std::string(record.value))]) emit(one, out);
    });
  }

  Output Run() {
    Output output;
    for (std::uint32_t map = 0; map < plan_.maps; ++map) {
      const std::string name = fmt::format("in-{}", map);
      bench_.files.files[name] = fmt::format("{}\n", map);
      const auto result = bench_.Map(job_, bench_.MapOf(name, map));
      EXPECT_TRUE(result.ok()) << result.status();
      if (!result.ok()) return output;
      EXPECT_EQ(result->output_records, plan_.records_per_map);
    }
    for (std::uint32_t partition = 0; partition < plan_.reduces; ++partition) {
      const auto result = bench_.Reduce(job_, bench_.ReduceOf(partition, plan_.maps));
      EXPECT_TRUE(result.ok()) << result.status();
      output.push_back(bench_.Part(fmt::format("part-{}", partition)));
    }
    return output;
  }

  /// What the twin has, one line for each that `lines` makes of a key and its values.
  template <typename Lines>
  Output Expected(const Lines& lines) const {
    Output output(plan_.reduces);
    for (const auto& [where, values] : twin_) lines(where.second, values, output[where.first]);
    return output;
  }

 private:
  Plan plan_;
  Job job_;
  Bench bench_;
  std::vector<std::vector<Emitted>> outputs_;  // by map
  Twin twin_;
};

void AppendLine(std::string_view key, std::string_view value, std::string& to) {
  to += key;
  if (!value.empty()) to += '\t';
  to.append(value) += '\n';
}

void ExpectSame(const Output& got, const Output& want) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < want.size(); ++i) ASSERT_TRUE(got[i] == want[i]) << "partition " << i;
}

void EmitText(const Emitted& one, Emitter& out) {
  if (one.chosen_partition) return out.EmitTo(one.partition, one.key, one.value);
  out.Emit(one.key, one.value);
}

void EmitNumber(const Emitted& one, Emitter& out) {
  out.Emit(one.key, static_cast<std::int64_t>(std::stoll(one.value)));
}

TEST(RandomJobs, ValuesComeInTheOrderOfMapsAndEmission) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    SCOPED_TRACE(seed);
    RandomJob job(seed);
    job.Draw([&] { return job.plan().Bytes(job.plan().LengthUpTo(20)); }, EmitText);
    ExpectSame(job.Run(), job.Expected([](const auto& key, const auto& values, std::string& to) {
      for (const std::string& value : values) AppendLine(key, value, to);
    }));
  }
}

/// Reads only as many values as the key's size says.
void ReduceSome(std::string_view key, Values& values, mapreduce::Output& out) {
  std::string_view value;
  std::size_t left = key.size() % 5;
  std::string joined;
  while (left-- > 0 && values.Next(&value)) joined.append(value) += '|';
  out.Emit(key, joined);
}

TEST(RandomJobs, AReducerMayLeaveValuesUnread) {
  for (std::uint64_t seed = 1000; seed < 1030; ++seed) {
    SCOPED_TRACE(seed);
    RandomJob job(seed);
    job.job().reducer = ReduceBy(ReduceSome);
    job.Draw([&] { return job.plan().Bytes(job.plan().LengthUpTo(20)); }, EmitText);
    ExpectSame(job.Run(), job.Expected([](const auto& key, const auto& values, std::string& to) {
      std::string joined;
      for (std::size_t i = 0; i < values.size() && i < key.size() % 5; ++i)
        joined += values[i] + '|';
      AppendLine(key, joined, to);
    }));
  }
}

std::int64_t Sum(Values& values) {
  std::uint64_t sum = 0;
  for (std::int64_t value = 0; values.Next(&value);) sum += static_cast<std::uint64_t>(value);
  return static_cast<std::int64_t>(sum);
}

class SumCombiner final : public Combiner {
 public:
  void Combine(std::string_view, Values& values, CombinedValues& out) override {
    out.Emit(Sum(values));
  }
};

/// Numbers of every width, at times around the edges of 32 and 64 bits.
std::int64_t AnyNumber(Random& random) {
  const auto wide = static_cast<std::int64_t>(random.Next());
  switch (random.Below(5)) {
    case 0:
      return wide >> random.Below(64);
    case 1:
      return (std::int64_t{1} << 31) - static_cast<std::int64_t>(random.Below(3));
    case 2:
      return -(std::int64_t{1} << 31) - 1 + static_cast<std::int64_t>(random.Below(3));
    default:
      return static_cast<std::int64_t>(random.Below(20)) - 5;
  }
}

std::string FoldAll(Aggregation how, const std::vector<std::string>& values) {
  if (how == Aggregation::kCount) return std::to_string(values.size());
  std::int64_t sum = std::stoll(values[0]);
  for (std::size_t i = 1; i < values.size(); ++i) {
    const std::int64_t value = std::stoll(values[i]);
    if (how == Aggregation::kMin) sum = std::min(sum, value);
    if (how == Aggregation::kMax) sum = std::max(sum, value);
    if (how == Aggregation::kSum)
      sum = static_cast<std::int64_t>(static_cast<std::uint64_t>(sum) +
                                      static_cast<std::uint64_t>(value));
  }
  return std::to_string(sum);
}

Output FoldedTwin(const RandomJob& job, Aggregation how) {
  return job.Expected([how](const auto& key, const auto& values, std::string& to) {
    AppendLine(key, FoldAll(how, values), to);
  });
}

TEST(RandomJobs, ACombinerChangesNothing) {
  for (std::uint64_t seed = 2000; seed < 2040; ++seed) {
    SCOPED_TRACE(seed);
    RandomJob job(seed);
    job.job().combiner = New<SumCombiner>();
    job.job().reducer = ReduceBy([](std::string_view key, Values& values, mapreduce::Output& out) {
      out.Emit(key, Sum(values));
    });
    job.Draw([&] { return std::to_string(AnyNumber(job.plan().random)); }, EmitText);
    ExpectSame(job.Run(), FoldedTwin(job, Aggregation::kSum));
  }
}

class Aggregations : public ::testing::TestWithParam<Aggregation> {};

TEST_P(Aggregations, AreTheFoldOfAllNumbersOfAKey) {
  const Aggregation how = GetParam();
  for (std::uint64_t seed = 3000; seed < 3030; ++seed) {
    SCOPED_TRACE(seed);
    RandomJob job(seed);
    job.plan().emit_to = false;
    job.job().aggregation = how;
    const bool as_text = job.plan().random.OneIn(4);
    job.Draw([&] { return std::to_string(AnyNumber(job.plan().random)); },
             as_text ? EmitText : EmitNumber);
    ExpectSame(job.Run(), FoldedTwin(job, how));
  }
}

TEST_P(Aggregations, GiveAReducerNumbersThatFoldToTheResult) {
  const Aggregation how = GetParam();
  for (std::uint64_t seed = 4000; seed < 4010; ++seed) {
    SCOPED_TRACE(seed);
    RandomJob job(seed);
    job.plan().emit_to = false;
    job.job().aggregation = how;
    job.job().reducer =
        ReduceBy([how](std::string_view key, Values& values, mapreduce::Output& out) {
          std::vector<std::string> parts;
          for (std::string_view text; values.Next(&text);) parts.emplace_back(text);
          out.Emit(key, FoldAll(how == Aggregation::kCount ? Aggregation::kSum : how, parts));
        });
    job.Draw([&] { return std::to_string(AnyNumber(job.plan().random)); }, EmitNumber);
    ExpectSame(job.Run(), FoldedTwin(job, how));
  }
}

INSTANTIATE_TEST_SUITE_P(All, Aggregations,
                         ::testing::Values(Aggregation::kCount, Aggregation::kSum,
                                           Aggregation::kMin, Aggregation::kMax));

}  // namespace
}  // namespace trireme::mapreduce
