#include "mapreduce/cluster/slot_pool.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "io/process.h"
#include "mapreduce/cluster/slot.h"

namespace trireme::mapreduce {
namespace {

/// What a process or a thread of the engine holds beside its collecting and merging memory.
constexpr std::size_t kProcessOverheadBytes = 16u << 20;
constexpr std::size_t kThreadOverheadBytes = 4u << 20;
constexpr std::size_t kEngineMemoryMin = 4u << 20;
/// Open files of a process beside those of its slots: standard streams, sockets, wakers.
constexpr std::size_t kOwnerFiles = 24;

}  // namespace

std::size_t SlotMemory(std::uint64_t all_bytes, std::uint32_t slots, Isolation isolation) {
  (void)isolation;
  const std::uint64_t left = all_bytes > kOwnerOverheadBytes ? all_bytes - kOwnerOverheadBytes : 0;
  return std::max<std::size_t>(left / slots, kSlotMemoryMin);
}

std::size_t SlotFiles(std::uint32_t slots) {
  const std::size_t limit = io::FileLimit();
  return limit > kOwnerFiles ? (limit - kOwnerFiles) / slots : 0;
}

MemoryShare ShareMemory(std::size_t slot_memory_bytes, const JobSetup& job) {
  const bool process = job.isolation == Isolation::kProcess;
  const std::size_t overhead = process ? kProcessOverheadBytes : kThreadOverheadBytes;
  std::size_t left = slot_memory_bytes > overhead ? slot_memory_bytes - overhead : 0;
  if (std::holds_alternative<StreamingCode>(job.code)) {
    left = std::max(left / 2, kEngineMemoryMin);
    return {left, left};
  }
  // Beside its budget the engine sorts, and buffers files: measured, up to a fifth of the budget.
  left = process ? left / 4 * 3 : left / 8 * 7;
  return {std::max(left, kEngineMemoryMin), 0};
}

SlotPool::SlotPool(Options options, Listener* listener) : options_(std::move(options)) {
  // Slots are made here, their threads and processes when they are first needed.
  for (std::uint32_t i = 0; i < options_.slots; ++i)
    slots_.push_back(std::make_unique<Slot>(i, options_, listener));
}

SlotPool::~SlotPool() {
  for (const auto& slot : slots_) slot->CancelAny();
}

std::uint32_t SlotPool::Start(AttemptSpec spec) {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i]->TryStart(spec)) return i;
  }
  TRIREME_CHECK(!"a free slot");
  return 0;
}

void SlotPool::Tell(std::uint64_t attempt, const Word& word) {
  for (const auto& slot : slots_) {
    if (slot->Tell(attempt, word)) return;
  }
}

void SlotPool::Cancel(std::uint64_t attempt) {
  Tell(attempt, CancelWord{});
}

void SlotPool::Commit(std::uint64_t attempt) {
  Tell(attempt, CommitWord{});
}

void SlotPool::Provide(std::uint64_t attempt, std::uint32_t map, absl::StatusOr<MapInput> input) {
  Tell(attempt, MapWord{map, std::move(input)});
}

std::vector<SlotPool::Progress> SlotPool::Running() const {
  std::vector<Progress> running;
  for (const auto& slot : slots_) {
    if (auto progress = slot->Running()) running.push_back(*progress);
  }
  return running;
}

bool SlotPool::Stop(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (const auto& slot : slots_) slot->CancelAny();
  return std::all_of(slots_.begin(), slots_.end(),
                     [&](auto& slot) { return slot->WaitIdle(deadline); });
}

}  // namespace trireme::mapreduce
