// Counts what emitting costs in allocations and in resident memory.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <new>

#include "base/random.h"
#include "mapreduce/engine/task_testing.h"

#ifndef TRIREME_EXACT_LOADS  // sanitizers have an allocator and resident memory of their own

namespace {
thread_local std::uint64_t allocations = 0;

void* Allocate(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
}  // namespace

void* operator new(std::size_t size) {
  return Allocate(size);
}
void* operator new[](std::size_t size) {
  return Allocate(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace trireme::mapreduce {
namespace {

constexpr std::uint64_t kRecords = 1000000;
/// Of one map attempt, whatever it emits: opening, closing, vectors that grow by doubling.
constexpr std::uint64_t kPerAttempt = 150;
constexpr std::uint64_t kPerSpill = 4;

/// Text of `size` digits without a call to the allocator.
class Digits {
 public:
  std::string_view Of(std::uint64_t number, std::size_t size) {
    for (std::size_t i = size; i-- > 0; number /= 10)
      text_[i] = static_cast<char>('0' + number % 10);
    return {text_, size};
  }

 private:
  char text_[2048];
};

using EmitOne = std::function<void(std::uint64_t, Emitter&)>;

Job EmittingJob(Aggregation how, EmitOne emit) {
  Job job;
  job.aggregation = how;
  job.mapper = MapBy([emit](const Record&, Emitter& out) {
    for (std::uint64_t i = 0; i < kRecords; ++i) emit(i, out);
  });
  return job;
}

/// Allocations of one attempt beyond what its spills may take.
void ExpectNonePerRecord(const Job& job, std::uint32_t spills_min) {
  Bench bench;
  bench.settings.reduces = 7;
  bench.memory_bytes = 8 << 20;
  bench.files.files["in"] = "x\n";
  const MapTask task = bench.MapOf("in");
  const std::uint64_t before = allocations;
  const auto result = bench.Map(job, task);
  const std::uint64_t spent = allocations - before;
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->output_records, kRecords);
  EXPECT_GE(result->spills, spills_min);
  EXPECT_LE(spent, kPerAttempt + kPerSpill * result->spills);
  EXPECT_GT(spent, 0u);  // the counter counts
}

TEST(Allocations, NonePerRecordOfText) {
  ExpectNonePerRecord(EmittingJob(Aggregation::kNone,
                                  [digits = Digits()](std::uint64_t i, Emitter& out) mutable {
                                    out.Emit(digits.Of(i * 7919, 5 + i % 30), "a value");
                                  }),
                      3);
}

TEST(Allocations, NonePerNumberWithoutAggregation) {
  ExpectNonePerRecord(EmittingJob(Aggregation::kNone,
                                  [digits = Digits()](std::uint64_t i, Emitter& out) mutable {
                                    out.Emit(digits.Of(i * 7919, 12), static_cast<int>(i));
                                  }),
                      3);
}

TEST(Allocations, NonePerRecordThatFolds) {
  for (const std::size_t key_size : {8, 14, 30}) {
    ExpectNonePerRecord(
        EmittingJob(Aggregation::kSum,
                    [digits = Digits(), key_size](std::uint64_t i, Emitter& out) mutable {
                      out.Emit(digits.Of(i * 7919 % 5000, key_size), 1);
                    }),
        1);
  }
}

TEST(Allocations, NonePerRecordWhenTheTableGivesWay) {
  for (const std::size_t key_size : {8, 14, 30}) {
    ExpectNonePerRecord(
        EmittingJob(Aggregation::kSum,
                    [digits = Digits(), key_size](std::uint64_t i, Emitter& out) mutable {
                      out.Emit(digits.Of(i, key_size), 1);
                    }),
        3);
  }
}

/// Kilobytes behind a name in /proc/self/status.
std::size_t Status(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(name + ":", 0) == 0) return std::stoul(line.substr(name.size() + 1)) << 10;
  return 0;
}

/// What one open intermediate file, the sort's scratch and rounding to huge pages take.
constexpr std::size_t kOverheadBytes = 9 << 20;

void ExpectWithinBudget(const std::vector<Job>& jobs) {
  constexpr std::size_t kBudget = 64 << 20;
  Bench bench;
  bench.settings.reduces = 3;
  bench.memory_bytes = kBudget;
  bench.files.files["in"] = "x\n";
  const MapTask task = bench.MapOf("in");
  const std::size_t before = Status("VmRSS");
  std::ofstream("/proc/self/clear_refs") << "5";  // the high-water mark starts anew
  for (const Job& job : jobs) {
    const auto result = bench.Map(job, task);
    ASSERT_TRUE(result.ok()) << result.status();
  }
  const std::size_t peak = Status("VmHWM");
  EXPECT_GT(peak, before + kBudget / 3);
  EXPECT_LT(peak, before + kBudget + kOverheadBytes);
}

TEST(ResidentMemory, OfTheBufferStaysWithinTheBudgetWhateverTheRecords) {
  const auto of_size = [](std::size_t key_size) {
    return EmittingJob(Aggregation::kNone,
                       [digits = Digits(), key_size](std::uint64_t i, Emitter& out) mutable {
                         if (key_size < 100 || i % 8 == 0) out.Emit(digits.Of(i, key_size), "");
                       });
  };
  ExpectWithinBudget({of_size(1000), of_size(7), of_size(1000), of_size(7)});
}

TEST(ResidentMemory, OfTheTableStaysWithinTheBudgetWhateverTheKeys) {
  const auto of_size = [](std::size_t key_size, std::uint64_t keys) {
    return EmittingJob(Aggregation::kSum,
                       [digits = Digits(), key_size, keys](std::uint64_t i, Emitter& out) mutable {
                         if (key_size < 100 || i % 4 == 0)
                           out.Emit(digits.Of(i / 3 % keys, key_size), 1);
                       });
  };
  ExpectWithinBudget({of_size(1000, 50000), of_size(15, kRecords), of_size(8, kRecords),
                      of_size(1000, 50000), of_size(25, kRecords)});
}

}  // namespace
}  // namespace trireme::mapreduce

#endif
