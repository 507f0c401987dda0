#include "mapreduce/engine/memory_region.h"

#include <sys/mman.h>

#include <cstdint>

#include "fmt/format.h"

namespace trireme::mapreduce {
namespace {
constexpr std::size_t kHugePage = 2 << 20;
std::size_t RoundUp(std::size_t n, std::size_t to) {
  return (n + to - 1) / to * to;
}
}  // namespace

MemoryRefused::MemoryRefused(std::size_t size_bytes)
    : message_(fmt::format("the system refuses {} of memory: give a smaller --memory or fewer "
                           "--slots, or raise its limit (ulimit -v, vm.overcommit_memory)",
                           size_bytes >= 1 << 20 ? fmt::format("{} MiB", size_bytes >> 20)
                                                 : fmt::format("{} bytes", size_bytes))) {}

MemoryRegion::MemoryRegion(std::size_t size_bytes) {
  // Small regions stay on small pages: a huge one would make them resident at once.
  const bool huge = size_bytes >= kHugePage;
  size_ = RoundUp(size_bytes, huge ? kHugePage : 4096);
  const std::size_t reserve = huge ? size_ + kHugePage : size_;
  void* mapped = ::mmap(nullptr, reserve, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) throw MemoryRefused(reserve);
  data_ = static_cast<char*>(mapped);
  if (!huge) return;
  const auto address = reinterpret_cast<std::uintptr_t>(mapped);
  const std::size_t skip = RoundUp(address, kHugePage) - address;
  if (skip != 0) ::munmap(data_, skip);
  data_ += skip;
  ::munmap(data_ + size_, kHugePage - skip);
  ::madvise(data_, size_, MADV_HUGEPAGE);
}

MemoryRegion& MemoryRegion::operator=(MemoryRegion&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

MemoryRegion::~MemoryRegion() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void MemoryRegion::Release(std::size_t offset) {
  offset = RoundUp(offset, kHugePage);
  if (offset < size_) ::madvise(data_ + offset, size_ - offset, MADV_DONTNEED);
}

}  // namespace trireme::mapreduce
