#include "sim/mr/follower.h"

#include <utility>

namespace trireme::sim {

namespace {

constexpr Micros kSilence = 1'500 * kMillisecond;

}  // namespace

void Follower::OnMessage(Address from, Payload& payload) {
  if (finished() || cut()) return;
  if (paused()) {
    around_.network->Postpone(
        {from, kFirstClient + static_cast<Address>(number_), std::move(payload)}, paused_until_);
    return;
  }
  const auto* letter = As<FromCoordinator>(payload);
  if (letter == nullptr) return;
  if (std::holds_alternative<FromCoordinator::NotLeading>(letter->what)) {
    if (from == kFirstClient + leader_) MoveOn();
    return;
  }
  heard_ = around_.queue->now();
  Hear(*letter);
}

void Follower::Tell(std::uint64_t sequence, const plan::Event& event) {
  if (cut()) return;
  auto letter = std::make_shared<ToCoordinator>();
  letter->sequence = sequence;
  letter->event = event;
  SendTo(kFirstClient + static_cast<Address>(leader_), std::move(letter));
}

void Follower::MoveOn() {
  leader_ = leader_ % books_.jobs().coordinators + 1;
  heard_ = around_.queue->now();
  Moved();
}

void Follower::MoveOnWhenSilent() {
  if (around_.queue->now() > heard_ + kSilence) MoveOn();
}

}  // namespace trireme::sim
