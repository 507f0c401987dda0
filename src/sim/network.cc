#include "sim/network.h"

#include <utility>

#include "raft/core/codec.h"
#include "sim/describe.h"
#include "sim/distributions.h"

namespace trireme::sim {

Network::Network(const Options* options, EventQueue* queue, Trace* trace, std::uint64_t seed)
    : options_(*options),
      queue_(*queue),
      trace_(*trace),
      random_(seed),
      cuts_(std::size_t{kNodesMax} * kNodesMax) {}

bool Network::IsCut(Address from, Address to) const {
  if (cut_off_.contains(from) || cut_off_.contains(to)) return true;
  return from < kNodesMax && to < kNodesMax && cuts_[Place(from, to)] > 0;
}

void Network::Send(Address from, Address to, Payload payload) {
  if (const auto* message = std::get_if<raft::Message>(&payload)) Count(*message);
  if (IsCut(from, to) || (faults_ && Chance(random_, options_.loss_ppm))) {
    if (trace_.on()) trace_.Line("lost     {}", Describe(from, to, payload));
    return;
  }
  const bool once = std::holds_alternative<std::shared_ptr<const Letter>>(payload);
  if (faults_ && !once && Chance(random_, options_.duplicate_ppm)) Schedule({from, to, payload});
  Schedule({from, to, std::move(payload)});
}

void Network::Count(const raft::Message& message) {
  ++counters_.sent;
  if (const auto* append = std::get_if<raft::AppendRequest>(&message)) {
    counters_.commands += append->entries.size();
  }
  if (count_bytes_) counters_.bytes += raft::EncodeMessage(message).size();
}

namespace {

bool IsAnswer(const Payload& payload) {
  const auto* message = std::get_if<raft::Message>(&payload);
  return message != nullptr && (std::holds_alternative<raft::PreVoteResponse>(*message) ||
                                std::holds_alternative<raft::VoteResponse>(*message) ||
                                std::holds_alternative<raft::AppendAccepted>(*message) ||
                                std::holds_alternative<raft::AppendRejected>(*message) ||
                                std::holds_alternative<raft::HeartbeatResponse>(*message) ||
                                std::holds_alternative<raft::SnapshotProgress>(*message));
}

}  // namespace

Micros Network::Latency(const Payload& payload) {
  Micros latency = options_.latency_min_us + Exponential(random_, options_.latency_mean_us);
  if (faults_ && Chance(random_, options_.reorder_ppm)) {
    latency += random_.Below(options_.reorder_us + 1);
  }
  if (hold_answers_back_ && IsAnswer(payload) && !random_.OneIn(3)) {
    latency += 200 * kMillisecond + random_.Below(1 + random_.Below(2 * kSecond));
  }
  return latency;
}

void Network::Schedule(Packet packet) {
  const Micros latency = Latency(packet.payload);
  Postpone(std::move(packet), queue_.now() + latency);
}

void Network::Postpone(Packet packet, Micros until) {
  std::uint64_t number = packets_.size();
  if (free_.empty()) {
    packets_.emplace_back();
  } else {
    number = free_.back();
    free_.pop_back();
  }
  packets_[number] = std::move(packet);
  queue_.Add(until, EventKind::kDeliver, 0, number);
}

bool Network::Take(std::uint64_t number, Packet* packet) {
  *packet = std::move(packets_[number]);
  free_.push_back(number);
  if (!IsCut(packet->from, packet->to)) return true;
  if (trace_.on()) {
    trace_.Line("cut off  {}", Describe(packet->from, packet->to, packet->payload));
  }
  return false;
}

}  // namespace trireme::sim
