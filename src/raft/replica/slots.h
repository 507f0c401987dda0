#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "raft/core/types.h"

namespace trireme::raft {

/// What waits for a ticket to come up. A ticket is a place in a table and the number of its use, so
/// that nothing is searched or allocated, and one that comes up twice finds nothing.
template <typename T>
class Slots {
 public:
  Ticket Add(T value) {
    if (free_.empty()) {
      free_.push_back(static_cast<std::uint32_t>(slots_.size()));
      slots_.emplace_back();
    }
    const std::uint32_t place = free_.back();
    free_.pop_back();
    Slot& slot = slots_[place];
    slot.value.emplace(std::move(value));
    ++slot.use;
    ++size_;
    return Ticket{std::uint64_t{slot.use} << 32 | (place + 1)};
  }

  std::optional<T> Take(Ticket ticket) {
    const std::uint64_t place = (ticket.value & 0xffffffff) - 1;
    if (place >= slots_.size()) return std::nullopt;
    Slot& slot = slots_[place];
    if (slot.use != ticket.value >> 32 || !slot.value) return std::nullopt;
    std::optional<T> value = std::exchange(slot.value, std::nullopt);
    free_.push_back(static_cast<std::uint32_t>(place));
    --size_;
    return value;
  }

  std::size_t size() const { return size_; }

  template <typename With>
  void TakeAll(const With& with) {
    for (std::uint64_t place = 0; place < slots_.size(); ++place) {
      const std::uint64_t use = slots_[place].use;
      if (std::optional<T> value = Take(Ticket{use << 32 | (place + 1)})) with(*std::move(value));
    }
  }

 private:
  struct Slot {
    std::optional<T> value;
    std::uint32_t use = 0;
  };
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::size_t size_ = 0;
};

}  // namespace trireme::raft
