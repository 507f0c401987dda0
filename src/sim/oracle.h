#pragma once

#include <memory>
#include <string>
#include <vector>

#include "raft/core/core.h"
#include "sim/command.h"
#include "sim/ledger.h"
#include "sim/linear/kv_history.h"

namespace trireme::sim {

class Service;

/// What is left at the end of a run, when all faults are over.
struct EndState {
  struct Member {
    raft::NodeId node;
    raft::Index applied;
    const Service* service = nullptr;
  };
  std::vector<Member> members;  ///< Of the leader's configuration, witnesses apart.
};

/// Watches for one thing that must never happen. All see the same events; one that sees its thing
/// says so once.
class Oracle {
 public:
  virtual ~Oracle() = default;

  virtual void Starts(raft::NodeId, const raft::Restored&) {}
  virtual void Leads(raft::NodeId, raft::Term) {}
  virtual void Writes(raft::NodeId, const raft::Persist&, bool /*witness*/) {}
  /// `in`: the node's term at the moment.
  virtual void Applies(raft::NodeId, const raft::Entry&, raft::Term /*in*/) {}
  virtual void Installs(raft::NodeId, const raft::SnapshotMeta&) {}
  /// A snapshot of the node's own is durable.
  virtual void Compacts(raft::NodeId, raft::Index) {}
  virtual void Executes(raft::NodeId, raft::Index, const Command&) {}
  virtual void AsksRead(raft::NodeId, raft::Ticket) {}
  virtual void GrantsRead(raft::NodeId, raft::Ticket, raft::Index) {}
  /// The answer to a write leaves for its client.
  virtual void Acknowledges(raft::Index, const Command&) {}
  virtual void Ends(const EndState&) {}
  /// What the clients of a key-value store saw, at the end.
  virtual void EndsHistory(const std::vector<linear::KvCall>&) {}

  const std::string& violation() const { return violation_; }
  /// It gave up at a named limit: not a violation, and not a proof of the contrary.
  bool undecided() const { return undecided_; }

 protected:
  void Violation(std::string what) {
    if (violation_.empty()) violation_ = std::move(what);
  }
  void Undecided() { undecided_ = true; }

 private:
  std::string violation_;
  bool undecided_ = false;
};

// One each, in a file of its own.
std::unique_ptr<Oracle> MakeOneLeaderPerTerm();
std::unique_ptr<Oracle> MakeLogMatching(Ledger* ledger);
std::unique_ptr<Oracle> MakeStateMachineSafety(Ledger* ledger);
std::unique_ptr<Oracle> MakeLeaderCompleteness(Ledger* ledger);
std::unique_ptr<Oracle> MakeAppliedNeverGoesBack();
std::unique_ptr<Oracle> MakeAcknowledgedIsNeverLost(Ledger* ledger);
std::unique_ptr<Oracle> MakeExactlyOnce();
std::unique_ptr<Oracle> MakeReadsNeverStale(Ledger* ledger);
std::unique_ptr<Oracle> MakeLinearizability();

}  // namespace trireme::sim
