#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "base/random.h"
#include "raft/core/messages.h"
#include "sim/command.h"
#include "sim/event_queue.h"
#include "sim/options.h"
#include "sim/trace.h"

namespace trireme::sim {

/// A node (its id) or a client (kFirstClient and up).
using Address = std::uint32_t;
inline constexpr Address kFirstClient = 1'000;
inline constexpr Address kNodesMax = 40;  ///< Ids are below it.

struct Request {
  Command command;
  bool through_log = true;  ///< Of a get: as an entry, instead of by a read index.
};

enum class ReplyKind : std::uint8_t {
  kDone,
  kNotExecuted,  ///< Certainly not, and never will be: ask `leader`, if it is known.
};

struct Reply {
  std::uint64_t sequence = 0;
  ReplyKind kind = ReplyKind::kDone;
  KvResult result;
  Address leader = 0;
};

/// A message between a service and its clients, in words of their own, over a connection: it may be
/// lost with it, or late, and does not come twice. Never changed once sent.
class Letter {
 public:
  virtual ~Letter() = default;
  virtual std::string Text() const = 0;
  /// What the sender hears when nobody listens where it goes; null: nothing.
  virtual std::shared_ptr<const Letter> Refusal() const { return nullptr; }
};

using Payload = std::variant<raft::Message, Request, Reply, std::shared_ptr<const Letter>>;

struct Packet {
  Address from = 0;
  Address to = 0;
  Payload payload;
};

/// Carries packets late, twice, in another order, or not at all. Links can be cut, each direction
/// by itself.
class Network {
 public:
  Network(const Options* options, EventQueue* queue, Trace* trace, std::uint64_t seed);

  void Send(Address from, Address to, Payload payload);
  /// Of an event of kind kDeliver. False: its link has been cut meanwhile.
  bool Take(std::uint64_t number, Packet* packet);
  /// Gives a packet back that its receiver cannot take yet.
  void Postpone(Packet packet, Micros until);

  /// Counted: a link that was cut twice has to be mended twice.
  void Cut(Address from, Address to) { ++cuts_[Place(from, to)]; }
  void Mend(Address from, Address to) { --cuts_[Place(from, to)]; }
  bool IsCut(Address from, Address to) const;
  /// A node or a client by itself: nothing gets to it or from it, until it is back.
  void CutOff(Address who) { cut_off_.insert(who); }
  void BringBack(Address who) { cut_off_.erase(who); }

  /// From now on two of three answers between nodes come late: 200 ms and up to two seconds, mostly
  /// less.
  void HoldAnswersBack() { hold_answers_back_ = true; }

  /// From now on nothing is lost, doubled or held back.
  void Heal() { faults_ = false; }

  struct Counters {
    std::uint64_t sent = 0;  ///< Between nodes, also into cut links.
    std::uint64_t bytes = 0;
    std::uint64_t commands = 0;  ///< Entries in appends.
  };
  /// Bytes are counted only on demand: it takes encoding every message.
  void CountBytes() { count_bytes_ = true; }
  const Counters& counters() const { return counters_; }

 private:
  static std::size_t Place(Address from, Address to) { return from * kNodesMax + to; }
  void Count(const raft::Message& message);
  void Schedule(Packet packet);
  Micros Latency(const Payload& payload);

  const Options& options_;
  EventQueue& queue_;
  Trace& trace_;
  Random random_;
  bool faults_ = true;
  bool count_bytes_ = false;
  bool hold_answers_back_ = false;
  std::vector<int> cuts_;
  std::set<Address> cut_off_;
  std::vector<Packet> packets_;
  std::vector<std::uint64_t> free_;
  Counters counters_;
};

}  // namespace trireme::sim
