#include "sim/linear/kv_history.h"
#include "sim/oracle.h"

namespace trireme::sim {
namespace {

/// What the clients saw can be explained by one store that does one thing at a time.
/// Far fewer than the search's own: one history in a hundred then stays undecided, and no world
/// takes most of its time for this.
constexpr std::uint64_t kConfigurationsMax = 32'768;

class Linearizability final : public Oracle {
 public:
  void Ends(const EndState& end) override {
    const linear::Verdict verdict =
        linear::CheckKv(*end.history, {.configurations_max = kConfigurationsMax});
    if (verdict.conclusion == linear::Conclusion::kNotLinearizable) {
      Violation("not linearizable: " + verdict.why);
    } else if (verdict.conclusion == linear::Conclusion::kUndecided) {
      Undecided();
    }
  }
};

}  // namespace

std::unique_ptr<Oracle> MakeLinearizability() {
  return std::make_unique<Linearizability>();
}

}  // namespace trireme::sim
