#include <algorithm>
#include <map>

#include "fmt/format.h"
#include "sim/kv_machine.h"
#include "sim/oracle.h"
#include "sim/service.h"

namespace trireme::sim {
namespace {

/// A write that a client was told of is in every member's state at the end.
class AcknowledgedIsNeverLost final : public Oracle {
 public:
  explicit AcknowledgedIsNeverLost(Ledger* ledger) : ledger_(*ledger) {}

  void Acknowledges(raft::Index index, const Command& command) override {
    if (index > ledger_.committed_last()) {
      Violation(fmt::format("{} is acknowledged, but nobody has committed {}", Text(command),
                            index.value));
    }
    last_ = std::max(last_, index);
    std::uint64_t& sequence = sequences_[command.client];
    sequence = std::max(sequence, command.sequence);
  }

  void Ends(const EndState& end) override {
    for (const EndState::Member& member : end.members) {
      if (member.applied < last_) {
        Violation(fmt::format("node {} ends at {}, but {} was acknowledged", member.node.value,
                              member.applied.value, last_.value));
      }
      for (const auto& [client, sequence] : sequences_) {
        if (member.service->registers()->LastOf(client) >= sequence) continue;
        Violation(fmt::format("node {} has not executed {}/{}, which was acknowledged",
                              member.node.value, client, sequence));
      }
    }
  }

 private:
  Ledger& ledger_;
  raft::Index last_;
  std::map<std::uint64_t, std::uint64_t> sequences_;  ///< By client.
};

}  // namespace

std::unique_ptr<Oracle> MakeAcknowledgedIsNeverLost(Ledger* ledger) {
  return std::make_unique<AcknowledgedIsNeverLost>(ledger);
}

}  // namespace trireme::sim
