#include "sim/sharded/agent.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "sim/distributions.h"
#include "sim/event_queue.h"
#include "sim/options.h"

namespace trireme::sim::sharded {

namespace {

constexpr Micros kRefusedMean = 10 * kMillisecond;
/// A group that is asked again and again before it could answer never gets to the end of it.
constexpr std::uint64_t kPatienceMax = 8;

}  // namespace

Agent::Agent(std::uint64_t number, Surroundings around, Decider* decider)
    : around_(around),
      random_(around.options->seed * 7'000'003 + number),
      number_(number),
      decider_(*decider) {}

std::uint64_t Agent::WakeAfter(Micros delay) {
  around_.queue->After(delay, EventKind::kWake, static_cast<std::uint32_t>(number_), ++last_turn_);
  return last_turn_;
}

void Agent::Pump() {
  for (Call& call : decider_.TakeCalls()) {
    const Micros wait = call.wait_ms * kMillisecond;
    Attempts attempts(call.servers, seen_[call.group].leader);
    Open open{std::move(call), std::move(attempts)};
    wait == 0 ? Send(std::move(open)) : SendAfter(std::move(open), wait);
  }
  if (!decider_.idle()) return;
  HangUp();
  OnIdle();
}

void Agent::SendAfter(Open open, Micros delay) {
  open.waiting = true;
  open_.emplace(WakeAfter(delay), std::move(open));
}

void Agent::Send(Open open) {
  open.waiting = false;
  const std::uint64_t patience = seen_[open.call.group].patience;
  const std::uint64_t turn = WakeAfter(patience * around_.options->timeout_ms * kMillisecond);
  const bool through_log = Chance(random_, around_.options->log_read_ppm);
  around_.network->Send(address(), open.attempts.target(),
                        std::make_shared<Ask>(turn, open.call.command, through_log));
  open_.emplace(turn, std::move(open));
}

void Agent::OnWake(std::uint64_t turn) {
  auto found = open_.extract(turn);
  if (found.empty()) return OnOwnWake(turn);
  Open& open = found.mapped();
  if (open.waiting) return Send(std::move(open));
  open.attempts.OnNoAnswer();
  std::uint64_t& patience = seen_[open.call.group].patience;
  patience = std::min(2 * patience, kPatienceMax);
  if (open.attempts.over()) return Return(open, nullptr);
  Send(std::move(open));
}

void Agent::OnMessage(Address from, Payload& payload) {
  const auto reply =
      std::dynamic_pointer_cast<const Reply>(std::get<std::shared_ptr<const Letter>>(payload));
  auto found = open_.extract(reply->number);
  if (found.empty()) return;
  Open& open = found.mapped();
  if (reply->result) {
    Seen& seen = seen_[open.call.group];
    seen = {from, std::max<std::uint64_t>(1, seen.patience / 2)};
    return Return(open, &*reply->result);
  }
  open.attempts.OnRefused(reply->leader);
  if (open.attempts.over()) return Return(open, nullptr);
  SendAfter(std::move(open), Exponential(random_, kRefusedMean));
}

void Agent::Return(const Open& open, const Result* result) {
  Returned returned{open.call.id, result != nullptr, open.attempts.maybe(), {}};
  if (result != nullptr) returned.result = *result;
  decider_.Step(returned);
  Pump();
}

}  // namespace trireme::sim::sharded
