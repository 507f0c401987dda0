#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/random.h"
#include "sim/linear/kv_history.h"
#include "sim/network.h"
#include "sim/service.h"

namespace trireme::sim {

/// Asks for one operation at a time and writes down what it saw. No answer in time: it asks again,
/// the same or another node, under the same number; or it gives up, and then the outcome stays
/// unknown.
class Client final : public Customer {
 public:
  Client(std::uint64_t number, Surroundings around, std::vector<linear::KvCall>* history);

  void OnWake(std::uint64_t turn) override;
  void OnMessage(Address from, Payload& payload) override;

  /// One more write, which has to be done; then nothing further. A read that is open is given up: a
  /// leader that begins its term without an entry of its own serves none before somebody writes.
  void BeginLast() override;
  bool finished() const override { return finishing_ && last_begun_ && !open_; }
  std::uint64_t number() const override { return number_; }

 private:
  void Begin();
  KvKind DrawKind();
  void Send();
  void WakeAfter(Micros delay);
  linear::KvCall& call() { return (*history_)[place_]; }

  std::uint64_t number_;
  Surroundings around_;
  std::vector<linear::KvCall>* history_;
  Random random_;
  std::uint64_t turn_ = 0;  ///< Of its wake-ups only the latest counts.
  std::uint64_t sequence_ = 0;
  bool open_ = false;      ///< An operation is.
  bool retrying_ = false;  ///< Waits a little before it asks again.
  bool finishing_ = false;
  bool last_begun_ = false;
  Request request_;
  std::size_t place_ = 0;  ///< Of the operation in the history.
  Address target_ = 1;
  std::map<std::uint64_t, std::uint64_t> versions_;  ///< Seen last, by key.
};

}  // namespace trireme::sim
