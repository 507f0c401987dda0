#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/faults.h"
#include "sim/node.h"
#include "sim/register_service.h"
#include "sim/service.h"

namespace trireme::sim {

struct RunResult {
  std::string violation;  ///< Empty: none.
  Micros at = 0;          ///< The virtual time at its end.
  std::uint64_t events = 0;
  std::uint64_t operations = 0;  ///< Of clients.
  std::uint64_t committed = 0;   ///< Entries.
  bool undecided = false;        ///< The search of the history gave up at a limit.
  bool ok() const { return violation.empty(); }
};

/// A cluster, its clients and all that may befall them, in one thread and in virtual time. The same
/// options give the same run to the byte.
class World {
 public:
  explicit World(const Options& options, Trace::Sink sink = nullptr,
                 const MakeCast& make_cast = MakeRegisterCast);

  /// The whole run: first safety under faults, then, when these are over, progress: the cluster
  /// must elect, answer every client once more, and bring all members to the same state.
  RunResult Run();

  // For scenarios that say themselves what happens.

  /// False: it stopped at a violation.
  bool RunFor(Micros duration);
  /// Until `done`, at most for `bound`; whether it is so.
  bool RunUntil(const std::function<bool()>& done, Micros bound);
  std::vector<std::unique_ptr<Node>>& nodes() { return nodes_; }
  Node& node(std::uint64_t id) { return *nodes_[id - 1]; }
  Network& network() { return network_; }
  Panel& panel() { return panel_; }
  EventQueue& queue() { return queue_; }
  Trace& trace() { return trace_; }
  /// That leads in the highest term and is neither down nor paused; nullptr: none.
  Node* Leader();

 private:
  void MakeNodes();
  void AddNode(const raft::Configuration& first);
  void Step();
  void Dispatch(const Event& event);
  void Deliver(std::uint64_t number);
  void Settle();
  bool IsSettled();
  void Nudge(Node& leader);
  std::string Standstill();
  void CheckEnd();
  std::vector<Node*> Members(const Node& leader);

  const Options options_;
  EventQueue queue_;
  Trace trace_;
  Network network_;
  Panel panel_;
  Surroundings around_;
  std::unique_ptr<Cast> cast_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Customer>> clients_;
  Faults faults_;
  std::uint64_t events_ = 0;
  raft::Term nudged_;
};

}  // namespace trireme::sim
