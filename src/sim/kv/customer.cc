#include "sim/kv/customer.h"

#include <algorithm>
#include <utility>

#include "fmt/format.h"

namespace trireme::sim {

namespace {

constexpr Micros kRetryMean = 20 * kMillisecond;

}  // namespace

KvCustomer::KvCustomer(std::uint64_t number, Surroundings around, Record* record)
    : number_(number),
      around_(around),
      record_(*record),
      random_(around.options->seed * 9'000'011 + number) {
  WakeAfter(Exponential(random_, around_.options->think_us));
}

std::string KvCustomer::Name() const {
  return fmt::format("client {}", number_);
}

Address KvCustomer::AnyNode() {
  return static_cast<Address>(1 + random_.Below(NodeCount()));
}

void KvCustomer::SendTo(Address node, std::shared_ptr<const Letter> letter) {
  around_.network->Send(kFirstClient + static_cast<Address>(number_), node, std::move(letter));
}

void KvCustomer::WakeAfter(Micros delay) {
  around_.queue->After(delay, EventKind::kWake, static_cast<std::uint32_t>(number_), ++turn_);
}

void KvCustomer::StepAfter(Micros delay) {
  WakeAfter(delay);
}

void KvCustomer::OnWake(std::uint64_t turn) {
  if (turn != turn_ || finished_) return;
  if (!calling_) return Step();
  if (retrying_ && around_.queue->now() < deadline_) {
    retrying_ = false;
    return Send();
  }
  calling_ = retrying_ = false;
  target_ = AnyNode();
  Unknown();
}

void KvCustomer::Call(KvMethod method, std::string bytes) {
  calling_ = true;
  ++call_;
  method_ = method;
  bytes_ = std::move(bytes);
  called_ = around_.queue->now();
  deadline_ = called_ + 10 * around_.options->timeout_ms * kMillisecond;
  if (Chance(around_.options->follower_ppm)) target_ = AnyNode();
  Send();
}

void KvCustomer::Send() {
  auto ask = std::make_shared<Ask>();
  ask->call = call_;
  ask->method = method_;
  ask->bytes = bytes_;
  SendTo(target_, std::move(ask));
  WakeAfter(around_.options->timeout_ms * kMillisecond);
}

void KvCustomer::OnMessage(Address, Payload& payload) {
  const auto* answer = As<Answered>(payload);
  if (answer == nullptr || !calling_ || retrying_ || answer->call != call_) return;
  if (answer->state == Answered::State::kNotExecuted) {
    target_ = answer->leader != 0 ? answer->leader : AnyNode();
    retrying_ = true;
    return WakeAfter(Exponential(random_, kRetryMean));
  }
  calling_ = false;
  Answer(*answer);
}

void KvCustomer::Saw(std::int64_t revision) {
  if (revision < seen_) {
    record_.Violation(
        fmt::format("{} is answered at revision {} after {}", Name(), revision, seen_));
  }
  seen_ = std::max(seen_, revision);
}

}  // namespace trireme::sim
