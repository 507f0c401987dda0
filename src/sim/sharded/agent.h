#pragma once

#include <cstdint>
#include <map>

#include "base/random.h"
#include "sim/network.h"
#include "sim/service.h"
#include "sim/sharded/core/call.h"
#include "sim/sharded/letters.h"

namespace trireme::sim::sharded {

/// Makes a decider's calls over the network: sends, waits, asks the next server, and decides
/// nothing.
class Agent : public Customer {
 public:
  Agent(std::uint64_t number, Surroundings around, Decider* decider);

  void OnWake(std::uint64_t turn) override;
  void OnMessage(Address from, Payload& payload) override;
  std::uint64_t number() const override { return number_; }
  Address address() const { return kFirstClient + static_cast<Address>(number_); }

 protected:
  /// Makes the calls that the decider wants made.
  void Pump();
  /// The decider has nothing more to wait for.
  virtual void OnIdle() {}
  /// The wake-up that WakeAfter named.
  virtual void OnOwnWake(std::uint64_t) {}
  std::uint64_t WakeAfter(Micros delay);
  /// No call is open any more; what comes of one is not heard of.
  void HangUp() { open_.clear(); }

  Surroundings around_;
  Random random_;

 private:
  struct Open {
    Call call;
    Attempts attempts;
    bool waiting = false;  ///< To make an attempt; otherwise for an answer.
  };
  /// What is known of a group.
  struct Seen {
    Address leader = 0;          ///< Who answered last.
    std::uint64_t patience = 1;  ///< How many times timeout_ms an answer may take.
  };
  void Send(Open open);
  void SendAfter(Open open, Micros delay);
  void Return(const Open& open, const Result* result);

  std::uint64_t number_;
  Decider& decider_;
  std::uint64_t last_turn_ = 0;
  std::map<std::uint64_t, Open> open_;  ///< By the turn, which numbers an attempt.
  std::map<GroupId, Seen> seen_;
};

}  // namespace trireme::sim::sharded
