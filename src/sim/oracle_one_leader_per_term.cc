#include <map>

#include "fmt/format.h"
#include "sim/oracle.h"

namespace trireme::sim {
namespace {

/// Election safety (thesis, figure 3.2).
class OneLeaderPerTerm final : public Oracle {
 public:
  void Leads(raft::NodeId node, raft::Term term) override {
    const auto [leader, fresh] = leaders_.try_emplace(term, node);
    if (leader->second == node) return;
    Violation(fmt::format("two leaders in term {}: nodes {} and {}", term.value,
                          leader->second.value, node.value));
  }

 private:
  std::map<raft::Term, raft::NodeId> leaders_;
};

}  // namespace

std::unique_ptr<Oracle> MakeOneLeaderPerTerm() {
  return std::make_unique<OneLeaderPerTerm>();
}

}  // namespace trireme::sim
