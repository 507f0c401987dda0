#include "io/direct_buffer.h"

#include <sys/mman.h>

#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace trireme::io {

struct DirectBuffer::Kept {
  std::mutex mutex;
  std::vector<Memory> free;
};

DirectBuffer::Kept& DirectBuffer::kept() {
  static Kept& kept = *new Kept;  // for files that are closed as the process ends
  return kept;
}

absl::StatusOr<DirectBuffer> DirectBuffer::Take() {
  {
    const std::lock_guard lock(kept().mutex);
    if (!kept().free.empty()) {
      DirectBuffer buffer(std::move(kept().free.back()));
      kept().free.pop_back();
      return buffer;
    }
  }
  Memory memory(static_cast<char*>(std::aligned_alloc(kAlignment, kBytes)));
  if (memory == nullptr)
    return absl::InternalError(
        fmt::format("no memory left for a buffer of {} bytes to write from", kBytes));
  // Refused, or later not to be had: ordinary pages.
  (void)::madvise(memory.get(), kBytes, MADV_HUGEPAGE);
  return DirectBuffer(std::move(memory));
}

void DirectBuffer::GiveBack() {
  if (memory_ == nullptr) return;
  const std::lock_guard lock(kept().mutex);
  if (kept().free.size() < kKeptMax) kept().free.push_back(std::move(memory_));
  memory_ = nullptr;
}

}  // namespace trireme::io
