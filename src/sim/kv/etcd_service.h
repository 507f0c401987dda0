#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kv/server/kv_machine.h"
#include "kv/server/lease_clock.h"
#include "kv/server/watch_hub.h"
#include "sim/kv/letters.h"
#include "sim/kv/record.h"
#include "sim/service.h"

namespace trireme::sim {

/// The KV's server without its sockets and threads: its gate, its state machine, its watches and
/// its leases' clock are the real ones; what is between them is what kv/server's Member does.
class EtcdService final : public Service, private kv::MachineObserver {
 public:
  EtcdService(Surroundings around, ServiceHost* host, Record* record);
  ~EtcdService() override;

  void Reset() override;
  bool Restore(std::string_view snapshot, raft::LogPosition last) override;
  std::string Capture() const override;
  std::string Digest() const override;
  void OnMessage(Address from, Payload& payload) override;
  void OnApplied(const raft::Entry& entry, raft::Ticket ticket) override;
  void OnBatchApplied() override;
  void OnRead(const raft::ReadState& read) override;
  void OnLost(const raft::Lost& lost) override;
  void OnTick() override;

 private:
  class Stores;
  class Stream;
  struct Waiting {
    Address client = 0;
    std::uint64_t call = 0;
    KvMethod method = KvMethod::kRange;
    std::string bytes;
  };

  // kv::MachineObserver
  bool wants_events() const override { return true; }
  void OnCommitted(std::shared_ptr<const kv::CommittedBatch> batch) override;
  void OnAnswered() override {}
  void OnFailure(const absl::Status& status) override;

  void Take(Address from, const Ask& ask);
  void Take(Address from, const WatchAsk& ask);
  void Take(Address from, const WatchTaken& taken);
  void Read(Waiting waiting);
  void Propose(Waiting waiting, const kv::Command& command);
  void Answer(const Waiting& waiting, kv::Error error, std::string bytes);
  void Refuse(const Waiting& waiting);
  void AnswerRange(const Waiting& waiting);
  void AnswerEntry(const Waiting& waiting, std::string result);
  std::optional<Waiting> TakeWaiting(raft::Ticket ticket);
  std::string Entry(const kv::Command& command);
  void TickLeases();
  void TickWatches();
  std::int64_t NowMs() const { return static_cast<std::int64_t>(host_.local_now() / kMillisecond); }

  Surroundings around_;
  ServiceHost& host_;
  Record& record_;
  std::uint64_t lives_ = 0;

  // Of one life.
  kv::Origin origin_ = 0;
  std::unique_ptr<Stores> stores_;
  std::unique_ptr<kv::KvMachine> machine_;
  std::unique_ptr<kv::HeaderWriter> header_;
  std::unique_ptr<kv::LeaseClock> clock_;
  raft::Ticket clock_ticket_;  ///< Of what the clock had proposed.
  std::size_t lease_count_ = 0;
  std::int64_t next_lease_end_ms_ = 0;
  std::unique_ptr<kv::WatchHub> hub_;
  std::map<std::pair<Address, std::uint64_t>, std::unique_ptr<Stream>> streams_;
  Micros notify_at_ = 0;
  std::vector<raft::Entry> batch_;
  std::vector<raft::Ticket> tickets_;
  std::map<std::uint64_t, Waiting> waiting_;  ///< By ticket.
};

}  // namespace trireme::sim
