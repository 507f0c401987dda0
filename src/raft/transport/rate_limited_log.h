#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace trireme::raft::tcp {

/// Warnings that strangers can cause as often as they like: one a second is written, with how many
/// were not. On one thread.
class RateLimitedLog {
 public:
  void Warn(std::string_view event, const std::string& who, std::string_view why);

 private:
  static constexpr std::chrono::seconds kInterval{1};
  std::chrono::steady_clock::time_point last_{};
  std::uint64_t silent_ = 0;  // Since then.
};

}  // namespace trireme::raft::tcp
