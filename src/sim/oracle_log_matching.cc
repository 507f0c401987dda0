#include "sim/oracle.h"

namespace trireme::sim {
namespace {

/// Log matching (thesis, figure 3.2): entries with the same index and term are the same, and so are
/// all before them. It is enough that what comes before each entry is always the same
/// (thesis, 3.5).
class LogMatching final : public Oracle {
 public:
  explicit LogMatching(Ledger* ledger) : ledger_(*ledger) {}

  void Starts(raft::NodeId node, const raft::Restored& restored) override {
    ledger_.Restore(node, restored);
  }
  void Writes(raft::NodeId node, const raft::Persist& batch, bool witness) override {
    std::string wrong = ledger_.Write(node, batch, witness);
    if (!wrong.empty()) Violation(std::move(wrong));
  }

 private:
  Ledger& ledger_;
};

}  // namespace

std::unique_ptr<Oracle> MakeLogMatching(Ledger* ledger) {
  return std::make_unique<LogMatching>(ledger);
}

}  // namespace trireme::sim
