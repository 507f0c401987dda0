#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/random.h"
#include "raft/core/core.h"
#include "sim/disk_queue.h"
#include "sim/event_queue.h"
#include "sim/network.h"
#include "sim/options.h"
#include "sim/panel.h"
#include "sim/service.h"
#include "sim/storage.h"
#include "sim/trace.h"

namespace trireme::sim {

/// A server: the real core, the storage, a service, and between them a shell that does what Output
/// says and decides nothing. Crashes, pauses, and has a clock of its own.
class Node : private ServiceHost {
 public:
  Node(raft::NodeId id, bool witness, std::unique_ptr<Storage> storage, Surroundings around,
       ServiceMaker& maker);

  raft::NodeId id() const override { return id_; }
  Address address() const { return static_cast<Address>(id_.value); }
  bool witness() const override { return witness_; }
  bool up() const { return core_ != nullptr; }
  bool paused() const { return around_.queue->now() < paused_until_; }
  Micros paused_until() const { return paused_until_; }
  /// Down for good, because its storage is damaged; somebody has to replace it.
  bool broken() const { return broken_; }
  Storage& storage() { return *storage_; }
  bool leads() const override { return up() && core_->Status().role == raft::RoleName::kLeader; }
  /// Up.
  const raft::Core& core() const { return *core_; }
  const Service& service() const { return *service_; }
  raft::Index applied() const { return applied_; }

  /// From what the storage has; later, when its disk says no. A storage that finds itself damaged
  /// and is not, or the other way round, is a violation.
  void Start();
  /// At any moment; what was not synced is lost, or not.
  void Crash(Random& random);
  /// Nothing happens on it until then, not even its clock's ticks, which it catches up on later.
  void Pause(Micros until);
  void SetSlowDisk(bool slow) { slow_disk_ = slow; }

  // Events.
  void OnTick(std::uint64_t life);
  void OnDisk(std::uint64_t life);
  void OnPacket(Packet packet);

  // From outside, as an operator or a fault; false: refused.
  bool Transfer(raft::NodeId to);
  bool Campaign();
  bool ChangeMembership(const raft::Configuration& target);
  void TakeSnapshot();
  /// Without a client: nobody hears of its result. Index and term, if accepted.
  std::optional<raft::LogPosition> Propose(SharedBytes data);

 private:
  // ServiceHost
  raft::Answer Propose(raft::Ticket ticket, SharedBytes data) override;
  raft::Answer Read(raft::Ticket ticket) override;
  raft::Ticket NextTicket() override { return raft::Ticket{++last_ticket_}; }
  Address leader() const override { return static_cast<Address>(core_->Status().leader.value); }
  Micros local_now() const override { return ticks_ * around_.options->tick_us; }
  void Send(Address to, Payload payload) override {
    around_.network->Send(address(), to, std::move(payload));
  }

  void SetClock();
  void CatchUp();
  void Receive(Address from, raft::Message& message);
  /// Takes outputs until there are none.
  void Pump();
  void Persist();
  void Route();
  void SendDurable(raft::Token token);
  void AnswerReads();
  void AnswerLost();
  void Restore(const raft::SnapshotMeta& meta);
  void LoadSnapshot(raft::LogPosition snapshot);
  void Apply();
  void ApplyEntry(const raft::Entry& entry, raft::Ticket ticket);
  void AnswerRequestsOfCore();
  void NoticeLeadership();
  bool SnapshotIsDue();
  void StartDisk();
  void RefuseSnapshot();
  /// Its storage is of no use any more: it has to start over.
  void Stop(const absl::Status& why);
  /// Stop, as soon as the core's output is done with.
  void StopSoon(const absl::Status& why) { stop_.Update(why); }
  void AnswerLogRead(const raft::LogReadRequest& request);
  void AnswerSnapshotRead(const raft::SnapshotReadRequest& request);
  void Housekeep();
  void RefuseConnection(const Packet& packet);
  raft::Config CoreConfig();

  raft::NodeId id_;
  bool witness_;
  std::unique_ptr<Storage> storage_;
  Surroundings around_;
  std::unique_ptr<Service> service_;
  Random random_;
  std::uint64_t life_ = 0;
  Micros paused_until_ = 0;
  bool slow_disk_ = false;
  bool broken_ = false;
  Micros housekeep_at_ = 0;

  // The clock: in nanoseconds, so that rounding stays far below any drift.
  std::uint64_t tick_ns_ = 0;
  std::uint64_t next_tick_ns_ = 0;
  std::uint64_t ticks_ = 0;  ///< Of all lives.

  // Lost in a crash.
  std::unique_ptr<raft::Core> core_;
  raft::Output output_;
  raft::Index applied_;
  raft::Index snapshot_at_;                 ///< Of the latest snapshot, taken or begun.
  std::uint64_t bytes_since_snapshot_ = 0;  ///< Of entries applied.
  raft::Term led_;                          ///< The latest term in which it was seen to lead.
  DiskQueue disk_;
  absl::Status stop_;
  std::deque<raft::Outgoing> held_;  ///< Until a token is durable.
  std::uint64_t last_ticket_ = 0;
};

}  // namespace trireme::sim
