#include <map>
#include <utility>

#include "sim/linear/kv_history.h"
#include "sim/linear/kv_witness.h"
#include "sim/oracle.h"

namespace trireme::sim {
namespace {

/// What is left to search for in a history that the log does not explain.
constexpr std::uint64_t kConfigurationsMax = 131'072;

/// What the clients saw can be explained by one store that does one thing at a time. The order of
/// the log is tried first; where it does not do, any other is looked for.
class Linearizability final : public Oracle {
 public:
  void Executes(raft::NodeId, raft::Index index, const Command& command) override {
    executed_.try_emplace(index, command.client, command.sequence);
  }

  void EndsHistory(const std::vector<linear::KvCall>& history) override {
    if (linear::Explains(history, InOrderOfTheLog(history))) return;
    const linear::Verdict verdict =
        linear::CheckKv(history, {.configurations_max = kConfigurationsMax});
    if (verdict.conclusion == linear::Conclusion::kNotLinearizable) {
      Violation("not linearizable: " + verdict.why);
    } else if (verdict.conclusion == linear::Conclusion::kUndecided) {
      Undecided();
    }
  }

 private:
  /// A client's n-th call in the history is its n-th command.
  std::vector<std::size_t> InOrderOfTheLog(const std::vector<linear::KvCall>& history) const {
    std::map<std::uint64_t, std::vector<std::size_t>> of_client;
    for (std::size_t place = 0; place < history.size(); ++place) {
      of_client[history[place].client].push_back(place);
    }
    std::vector<std::size_t> order;
    for (const auto& [index, command] : executed_) {
      const std::vector<std::size_t>& calls = of_client[command.first];
      if (command.second == 0 || command.second > calls.size()) continue;
      order.push_back(calls[command.second - 1]);
    }
    return order;
  }

  std::map<raft::Index, std::pair<std::uint64_t, std::uint64_t>> executed_;
};

}  // namespace

std::unique_ptr<Oracle> MakeLinearizability() {
  return std::make_unique<Linearizability>();
}

}  // namespace trireme::sim
