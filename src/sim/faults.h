#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "base/random.h"
#include "sim/node.h"

namespace trireme::sim {

/// What happens to the cluster from outside. Each kind comes at random, as often as its option
/// says.
class Faults {
 public:
  static constexpr std::uint32_t kKindCount = 16;

  /// `make_node` adds an empty one to `nodes`.
  /// `place`: of several on one queue, which; its events have it in `who`:
  /// times kKindCount plus the kind, or by itself.
  Faults(Surroundings around, std::vector<std::unique_ptr<Node>>* nodes,
         std::function<void()> make_node, std::uint32_t place = 0);

  /// Begins, or stops for good and makes up for what still lasts: links mended, nodes started.
  void Begin();
  void End();

  // Events.
  void OnFault(std::uint32_t who);
  /// Nodes whose disk was damaged.
  std::size_t casualties() const { return casualties_.size(); }
  void OnFaultEnds(std::uint64_t number);

 private:
  using Links = std::vector<std::pair<Address, Address>>;
  struct Kind {
    Options::Number Options::*mean_ms;
    void (Faults::*happen)();
  };
  static const std::array<Kind, kKindCount> kKinds;

  void Crash();
  void CrashLeader();
  void CrashAll();
  void Stumble();
  void Pause();
  void Partition();
  void IsolateLeader();
  void SlowDisk();
  void Transfer();
  void Campaign();
  void Membership();
  void Snapshot();
  void FullDisk();
  void SyncFails();
  void PowerOff();
  void Damage();

  void Schedule(std::uint32_t kind);
  Micros Duration();
  Node& AnyNode();
  Node* Leader();
  void CrashForAWhile(Node& node);
  void CutForAWhile(Links links);
  void MendAll(const Links& links);
  Links DrawLinks();
  raft::Configuration DrawMembership(const raft::Configuration& now);
  void Toggle(const Node& node, raft::Configuration* configuration);

  /// A node with damage on its disk, and who takes its place.
  struct Casualty {
    Node* node = nullptr;
    Node* replacement = nullptr;
    bool replaced = false;
  };
  void LookAgain();
  void Replace();
  bool Replaced(Casualty& casualty);

  Surroundings around_;
  std::vector<std::unique_ptr<Node>>& nodes_;
  std::function<void()> make_node_;
  std::uint32_t place_;
  Random random_;
  bool over_ = false;
  std::uint64_t last_number_ = 0;        ///< That is the operator's.
  std::map<std::uint64_t, Links> cuts_;  ///< Those that last.
  std::map<std::uint64_t, Node*> slow_;  ///< Disks.
  std::map<std::uint64_t, Node*> full_;
  std::vector<Casualty> casualties_;
  bool operator_looks_ = false;
};

}  // namespace trireme::sim
