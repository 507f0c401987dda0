#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "raft/core/core.h"
#include "sim/network.h"
#include "sim/surroundings.h"

namespace trireme::sim {

class KvMachine;

/// What a service may ask of the node that it runs on.
class ServiceHost {
 public:
  virtual ~ServiceHost() = default;
  virtual raft::NodeId id() const = 0;
  virtual bool witness() const = 0;
  /// The core's answer; with an OK one OnApplied or OnLost follows with the ticket.
  virtual raft::Answer Propose(raft::Ticket ticket, SharedBytes data) = 0;
  /// With an OK one OnRead follows.
  virtual raft::Answer Read(raft::Ticket ticket) = 0;
  virtual raft::Ticket NextTicket() = 0;
  virtual bool leads() const = 0;
  virtual Address leader() const = 0;  ///< 0: unknown.
  /// By the node's own clock, which drifts and does not go back, not even in a crash.
  virtual Micros local_now() const = 0;
  virtual void Send(Address to, Payload payload) = 0;
};

/// What runs on a node on top of Raft: a state machine and the logic of a server around it. All of
/// it is lost in a crash.
class Service {
 public:
  virtual ~Service() = default;

  /// The process starts, with nothing.
  virtual void Reset() = 0;
  /// Takes a snapshot's state over. False: it cannot be read.
  [[nodiscard]] virtual bool Restore(std::string_view snapshot, raft::LogPosition last) = 0;
  /// The whole state, for a snapshot.
  virtual std::string Capture() const = 0;
  /// Says whether two nodes have the same state.
  virtual std::string Digest() const { return Capture(); }

  /// A client's message.
  virtual void OnMessage(Address from, Payload& payload) = 0;
  /// A command is committed. `ticket`: under which it was proposed here; 0: by nobody who waits.
  virtual void OnApplied(const raft::Entry& entry, raft::Ticket ticket) = 0;
  /// The entries of one batch are applied.
  virtual void OnBatchApplied() {}
  virtual void OnRead(const raft::ReadState& read) = 0;
  virtual void OnLost(const raft::Lost& lost) = 0;
  virtual void OnTick() {}
  /// Once after the state has become much smaller: a snapshot of it is due, whatever follows.
  virtual bool TakeShrunk() { return false; }
  /// The register machine, for the oracles that know it; others: nullptr.
  virtual const KvMachine* registers() const { return nullptr; }
};

/// Who asks. Its messages come from kFirstClient + number.
class Customer {
 public:
  virtual ~Customer() = default;
  virtual void OnWake(std::uint64_t turn) = 0;
  virtual void OnMessage(Address from, Payload& payload) = 0;
  /// Faults are over: do what has to be done once more, then nothing further.
  virtual void BeginLast() = 0;
  virtual bool finished() const = 0;
  virtual std::uint64_t number() const = 0;
};

class ServiceMaker {
 public:
  virtual ~ServiceMaker() = default;
  virtual std::unique_ptr<Service> MakeService(Surroundings around, ServiceHost* host) = 0;
};

/// What runs on the servers of a world and who asks it.
class Cast : public ServiceMaker {
 public:
  virtual std::unique_ptr<Customer> MakeCustomer(std::uint64_t number, Surroundings around) = 0;
  /// A command that changes nothing.
  virtual SharedBytes Nudge() = 0;
  /// All is applied everywhere: the last look. What is wrong; empty: nothing.
  virtual std::string End() { return {}; }
  /// Of all clients.
  virtual std::uint64_t operations() const = 0;
};

/// A cast of its own for each world.
using MakeCast = std::function<std::unique_ptr<Cast>(Surroundings around)>;

}  // namespace trireme::sim
