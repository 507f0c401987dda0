#include <map>
#include <utility>

#include "fmt/format.h"
#include "sim/oracle.h"

namespace trireme::sim {
namespace {

/// A read, by a round or by a lease, sees all that had been applied anywhere when it was asked for:
/// more than linearizability demands, and no history needs to be searched to see it broken.
class ReadsNeverStale final : public Oracle {
 public:
  explicit ReadsNeverStale(Ledger* ledger) : ledger_(*ledger) {}

  void Starts(raft::NodeId node, const raft::Restored&) override {
    asked_.erase(asked_.lower_bound({node, raft::Ticket{0}}),
                 asked_.lower_bound({raft::NodeId{node.value + 1}, raft::Ticket{0}}));
  }
  void AsksRead(raft::NodeId node, raft::Ticket ticket) override {
    asked_[{node, ticket}] = ledger_.committed_last();
  }
  void GrantsRead(raft::NodeId node, raft::Ticket ticket, raft::Index index) override {
    const auto asked = asked_.extract({node, ticket});
    if (asked.empty() || index >= asked.mapped()) return;
    Violation(fmt::format("node {} reads at {}, but {} had been applied before it was asked",
                          node.value, index.value, asked.mapped().value));
  }

 private:
  Ledger& ledger_;
  std::map<std::pair<raft::NodeId, raft::Ticket>, raft::Index> asked_;
};

}  // namespace

std::unique_ptr<Oracle> MakeReadsNeverStale(Ledger* ledger) {
  return std::make_unique<ReadsNeverStale>(ledger);
}

}  // namespace trireme::sim
