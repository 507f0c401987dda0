#pragma once

#include <cstddef>
#include <new>
#include <string>
#include <utility>

namespace trireme::mapreduce {

/// The system does not give memory that the budget allows: what operator new throws, and how much
/// was asked for. Fails the attempt.
class MemoryRefused : public std::bad_alloc {
 public:
  explicit MemoryRefused(std::size_t size_bytes);
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

/// Address space that takes memory as it is touched, in huge pages where the kernel has them (the
/// tables and sort buffers miss the TLB on every record otherwise). Zero-filled. Movable.
class MemoryRegion {
 public:
  MemoryRegion() = default;
  /// Throws MemoryRefused.
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
