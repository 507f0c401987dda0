#include "sim/client.h"

#include <utility>

#include "fmt/format.h"
#include "sim/distributions.h"
#include "sim/event_queue.h"
#include "sim/options.h"
#include "sim/trace.h"

namespace trireme::sim {

namespace {

constexpr Micros kRetryMean = 10 * kMillisecond;

}  // namespace

Client::Client(std::uint64_t number, Surroundings around, std::vector<linear::KvCall>* history)
    : number_(number),
      around_(around),
      history_(history),
      random_(around.options->seed * 7'000'003 + number) {
  WakeAfter(Exponential(random_, around_.options->think_us));
}

void Client::WakeAfter(Micros delay) {
  around_.queue->After(delay, EventKind::kWake, static_cast<std::uint32_t>(number_), ++turn_);
}

void Client::OnWake(std::uint64_t turn) {
  if (turn != turn_) return;
  if (!open_) return Begin();
  if (std::exchange(retrying_, false)) return Send();
  if (!finishing_ && Chance(random_, around_.options->give_up_ppm)) {
    around_.trace->Line("c{} gives {} up", number_, sequence_);
    open_ = false;
    return Begin();
  }
  const Options& o = *around_.options;
  target_ = static_cast<Address>(1 + random_.Below(o.voters + o.spares));
  Send();
}

void Client::BeginLast() {
  finishing_ = true;
  if (open_ && request_.command.kind != KvKind::kGet) return;
  open_ = retrying_ = false;
  WakeAfter(0);
}

KvKind Client::DrawKind() {
  if (finishing_) return KvKind::kPut;
  if (Chance(random_, around_.options->read_ppm)) return KvKind::kGet;
  const std::uint64_t draw = random_.Below(10);
  return draw < 5 ? KvKind::kPut : draw < 8 ? KvKind::kAppend : KvKind::kComparePut;
}

void Client::Begin() {
  if (finishing_ && std::exchange(last_begun_, true)) return;
  const Options& o = *around_.options;
  open_ = true;
  Command& command = request_.command;
  command = {number_, ++sequence_, DrawKind(), random_.Below(o.keys), 0, ""};
  request_.through_log = Chance(random_, o.log_read_ppm);
  const std::string key = fmt::format("k{}", command.key);
  if (command.kind != KvKind::kGet) command.value = fmt::format("{}.{} ", number_, sequence_);
  if (command.kind == KvKind::kComparePut) command.expected = versions_[command.key];
  place_ = history_->size();
  history_->push_back({number_, key, command.kind, command.value, command.expected,
                       around_.queue->now(), linear::kNever, std::nullopt});
  if (command.kind == KvKind::kGet && Chance(random_, o.follower_ppm)) {
    target_ = static_cast<Address>(1 + random_.Below(o.voters + o.spares));
  }
  Send();
}

void Client::Send() {
  around_.network->Send(kFirstClient + static_cast<Address>(number_), target_, request_);
  WakeAfter(around_.options->timeout_ms * kMillisecond);
}

void Client::OnMessage(Address, Payload& payload) {
  const auto& reply = std::get<Reply>(payload);
  if (!open_ || reply.sequence != sequence_) return;
  if (reply.kind == ReplyKind::kDone) {
    open_ = false;
    call().returned = around_.queue->now();
    call().result = reply.result;
    versions_[request_.command.key] = reply.result.version;
    return WakeAfter(Exponential(random_, around_.options->think_us));
  }
  const Options& o = *around_.options;
  target_ = reply.leader != 0 ? reply.leader
                              : static_cast<Address>(1 + random_.Below(o.voters + o.spares));
  retrying_ = true;
  WakeAfter(Exponential(random_, kRetryMean));
}

}  // namespace trireme::sim
