#include "sim/oracle.h"
#include "sim/service.h"

namespace trireme::sim {
namespace {

/// State machine safety (thesis, figure 3.2): no two servers apply different entries at one index.
class StateMachineSafety final : public Oracle {
 public:
  explicit StateMachineSafety(Ledger* ledger) : ledger_(*ledger) {}

  void Applies(raft::NodeId node, const raft::Entry& entry, raft::Term in) override {
    std::string wrong = ledger_.Commit(node, entry, in);
    if (!wrong.empty()) Violation(std::move(wrong));
  }

  /// At the end all have applied the same, so they are in the same state.
  void Ends(const EndState& end) override {
    for (const EndState::Member& member : end.members) {
      if (member.service->Digest() == end.members[0].service->Digest()) continue;
      Violation("at the end the members' states differ");
    }
  }

 private:
  Ledger& ledger_;
};

}  // namespace

std::unique_ptr<Oracle> MakeStateMachineSafety(Ledger* ledger) {
  return std::make_unique<StateMachineSafety>(ledger);
}

}  // namespace trireme::sim
