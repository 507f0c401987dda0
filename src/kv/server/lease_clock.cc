#include "kv/server/lease_clock.h"

namespace trireme::kv::inline engine {

std::optional<Command> LeaseClock::Next(std::int64_t now_ms, const Situation& now) {
  if (!now.leads) {
    leading_ = false;
  } else if (!leading_) {
    BeginTerm(now_ms, now);
  }
  if (!known_ || Now(now_ms) < now.state_time_ms) offset_ms_ = now.state_time_ms - now_ms;
  known_ = true;
  if (!leading_ || waiting_) return std::nullopt;
  Command command = {.time_ms = Now(now_ms)};
  if (!extended_) {
    command.body = ExtendLeasesRequest{extend_ms_};
  } else if (now.lease_count > 0 && now.next_lease_end_ms <= command.time_ms) {
    command.body = TickRequest{};
  } else {
    return std::nullopt;
  }
  waiting_ = true;
  return command;
}

/// While nobody led, lease time stood still.
void LeaseClock::BeginTerm(std::int64_t now_ms, const Situation& now) {
  leading_ = true;
  extended_ = false;
  offset_ms_ = now.state_time_ms - now_ms;
}

void LeaseClock::Proposed(bool applied) {
  waiting_ = false;
  extended_ = extended_ || applied;
}

}  // namespace trireme::kv::inline engine
