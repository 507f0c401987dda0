#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/client.h"
#include "sim/kv_machine.h"
#include "sim/service.h"

namespace trireme::sim {

/// Keys with versions and client sessions (KvMachine), served as the course's labs do: a leader
/// proposes a client's command and answers when it is applied.
class RegisterService final : public Service {
 public:
  RegisterService(Surroundings around, ServiceHost* host) : around_(around), host_(*host) {}

  void Reset() override;
  bool Restore(std::string_view snapshot, raft::LogPosition last) override;
  std::string Capture() const override { return machine_.Serialize(); }
  void OnMessage(Address from, Payload& payload) override;
  void OnApplied(const raft::Entry& entry, raft::Ticket ticket) override;
  void OnRead(const raft::ReadState& read) override;
  void OnLost(const raft::Lost& lost) override;
  const KvMachine* registers() const override { return &machine_; }

 private:
  struct Waiting {
    Address client = 0;
    Command command;
  };
  std::optional<Waiting> TakeWaiting(raft::Ticket ticket);
  void Refuse(const Waiting& waiting);
  void Answer(const Waiting& waiting, KvResult result);

  Surroundings around_;
  ServiceHost& host_;
  KvMachine machine_;
  std::map<std::uint64_t, Waiting> waiting_;  ///< By ticket.
};

/// RegisterService and its clients.
std::unique_ptr<Cast> MakeRegisterCast(Surroundings around);

}  // namespace trireme::sim
