#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "sim/service.h"
#include "sim/sharded/core/shard_machine.h"
#include "sim/sharded/letters.h"
#include "sim/sharded/record.h"

namespace trireme::sim::sharded {

/// A server of a group: the state machine, and who waits for which command. The leader proposes
/// what it is asked, and answers when it is applied.
class ShardServer final : public Service {
 public:
  /// `record` may be null: of the store of the configurations there is none.
  ShardServer(GroupId group, Surroundings around, ServiceHost* host, Record* record);

  void Reset() override;
  bool Restore(std::string_view snapshot, raft::LogPosition) override;
  std::string Capture() const override { return machine_.Encode(); }
  void OnMessage(Address from, Payload& payload) override;
  void OnApplied(const raft::Entry& entry, raft::Ticket ticket) override;
  void OnRead(const raft::ReadState& read) override;
  void OnLost(const raft::Lost& lost) override;
  bool TakeShrunk() override { return std::exchange(shrunk_, false); }

  const ShardMachine& machine() const { return machine_; }

 private:
  struct Waiting {
    Address from = 0;
    std::shared_ptr<const Ask> ask;
  };
  std::optional<Waiting> TakeWaiting(raft::Ticket ticket);
  void Refuse(const Waiting& waiting);
  void Answer(const Waiting& waiting, Result result);

  GroupId group_;
  Surroundings around_;
  ServiceHost& host_;
  Record* record_;
  ShardMachine machine_;
  bool shrunk_ = false;                       ///< A shard has gone.
  std::map<std::uint64_t, Waiting> waiting_;  ///< By ticket.
};

/// Makes the servers of one group.
class ShardServers final : public ServiceMaker {
 public:
  ShardServers(GroupId group, Record* record) : group_(group), record_(record) {}
  std::unique_ptr<Service> MakeService(Surroundings around, ServiceHost* host) override {
    return std::make_unique<ShardServer>(group_, around, host, record_);
  }

 private:
  GroupId group_;
  Record* record_;
};

}  // namespace trireme::sim::sharded
