#pragma once

#include <cstddef>
#include <utility>

namespace trireme::mapreduce {

/// Address space that takes memory as it is touched, in huge pages where the kernel has them (the
/// tables and sort buffers miss the TLB on every record otherwise). Zero-filled. Movable.
class MemoryRegion {
 public:
  MemoryRegion() = default;
  /// Aborts the process when address space is exhausted.
  explicit MemoryRegion(std::size_t size_bytes);
  MemoryRegion(MemoryRegion&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MemoryRegion& operator=(MemoryRegion&& other) noexcept;
  ~MemoryRegion();

  char* data() const { return data_; }
  std::size_t size() const { return size_; }
  /// Gives the memory from `offset` on back to the system; it reads as zero afterwards.
  void Release(std::size_t offset);

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace trireme::mapreduce
