#include "fmt/format.h"
#include "sim/oracle.h"

namespace trireme::sim {
namespace {

/// Leader completeness (thesis, figure 3.2): what has committed in a term is in the logs of the
/// leaders of all higher terms. Because of log matching the last such entry speaks for all.
class LeaderCompleteness final : public Oracle {
 public:
  explicit LeaderCompleteness(Ledger* ledger) : ledger_(*ledger) {}

  void Leads(raft::NodeId node, raft::Term term) override {
    const raft::Index last = LastCommittedBefore(term);
    if (last == raft::Index{}) return;
    const Ledger::Log& log = ledger_.LogOf(node);
    if (last <= log.base.index) return;  // in its snapshot
    if (log.TermAt(last) == ledger_.Committed(last).term) return;
    Violation(fmt::format("node {} leads in term {} without entry {} of term {}, committed in {}",
                          node.value, term.value, last.value, ledger_.Committed(last).term.value,
                          ledger_.Committed(last).known_in.value));
  }

 private:
  /// A leader of an old term, elected late, need not know what a newer one has committed.
  raft::Index LastCommittedBefore(raft::Term term) const {
    raft::Index index = ledger_.committed_last();
    while (index > raft::Index{} && ledger_.Committed(index).known_in >= term) index = index - 1;
    return index;
  }

  Ledger& ledger_;
};

}  // namespace

std::unique_ptr<Oracle> MakeLeaderCompleteness(Ledger* ledger) {
  return std::make_unique<LeaderCompleteness>(ledger);
}

}  // namespace trireme::sim
