#pragma once

#include <functional>
#include <string_view>
#include <utility>

#include "fmt/format.h"
#include "sim/event_queue.h"
#include "sim/time.h"

namespace trireme::sim {

/// What happens, a line each, in the order in which it happens. Costs nothing when nobody listens.
class Trace {
 public:
  using Sink = std::function<void(std::string_view line)>;

  Trace(const EventQueue* queue, Sink sink) : queue_(*queue), sink_(std::move(sink)) {}

  bool on() const { return sink_ != nullptr; }
  template <typename... Args>
  void Line(fmt::format_string<Args...> format, Args&&... args) {
    if (!on()) return;
    const Micros now = queue_.now();
    sink_(fmt::format("{:4}.{:06} {}", now / kSecond, now % kSecond,
                      fmt::format(format, std::forward<Args>(args)...)));
  }

 private:
  const EventQueue& queue_;
  Sink sink_;
};

}  // namespace trireme::sim
