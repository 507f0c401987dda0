#include "raft/transport/rate_limited_log.h"

#include <utility>

#include "io/log.h"

namespace trireme::raft::tcp {

void RateLimitedLog::Warn(std::string_view event, const std::string& who, std::string_view why) {
  const auto now = std::chrono::steady_clock::now();
  if (last_.time_since_epoch().count() != 0 && now - last_ < kInterval) {
    ++silent_;
    return;
  }
  last_ = now;
  io::Log(io::LogLevel::kWarn, event,
          {{"peer", who},
           {"why", std::string(why)},
           {"not_logged_before", std::to_string(std::exchange(silent_, 0))}});
}

}  // namespace trireme::raft::tcp
