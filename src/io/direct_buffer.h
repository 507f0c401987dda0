#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"

namespace trireme::io {

/// Memory that bytes on their way past the system's cache are put together in. A device takes them
/// from where they are, in one piece for each run of pages that lie side by side; pages taken one
/// by one do so nowhere, and of 2 MiB the device then takes 512 pieces, half as long again. So this
/// asks for huge pages, and where there are none it has ordinary ones.
///
/// The process keeps a few and gives them out in turn: only who writes has one. What was never
/// written to takes no memory. Thread-safe but for one and the same buffer.
class DirectBuffer {
 public:
  static constexpr std::size_t kBytes = 4u << 20;
  /// It begins at a multiple of this, and so suits any device.
  static constexpr std::size_t kAlignment = 2u << 20;
  /// Given back and kept for the next: one for each thread that writes at the same time.
  static constexpr std::size_t kKeptMax = 4;

  /// INTERNAL when no memory is left.
  [[nodiscard]] static absl::StatusOr<DirectBuffer> Take();

  DirectBuffer() = default;  ///< None.
  DirectBuffer(DirectBuffer&&) = default;
  DirectBuffer& operator=(DirectBuffer&& other) {
    GiveBack();
    memory_ = std::move(other.memory_);
    return *this;
  }
  ~DirectBuffer() { GiveBack(); }

  /// Null: none.
  char* data() const { return memory_.get(); }
  void GiveBack();

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  using Memory = std::unique_ptr<char, Free>;
  struct Kept;
  static Kept& kept();
  explicit DirectBuffer(Memory memory) : memory_(std::move(memory)) {}

  Memory memory_;
};

}  // namespace trireme::io
