#include <map>
#include <utility>

#include "fmt/format.h"
#include "sim/oracle.h"

namespace trireme::sim {
namespace {

/// However often a command is in the log, one of its places has an effect, everywhere the same.
class ExactlyOnce final : public Oracle {
 public:
  void Executes(raft::NodeId node, raft::Index index, const Command& command) override {
    const auto [place, fresh] =
        places_.try_emplace(std::pair(command.client, command.sequence), index);
    if (place->second == index) return;
    Violation(fmt::format("node {} executes {} at {}, it was executed at {}", node.value,
                          Text(command), index.value, place->second.value));
  }

 private:
  std::map<std::pair<std::uint64_t, std::uint64_t>, raft::Index> places_;
};

}  // namespace

std::unique_ptr<Oracle> MakeExactlyOnce() {
  return std::make_unique<ExactlyOnce>();
}

}  // namespace trireme::sim
