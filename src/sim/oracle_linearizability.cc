#include "sim/linear/kv_history.h"
#include "sim/oracle.h"

namespace trireme::sim {
namespace {

/// What the clients saw can be explained by one store that does one thing at a time.
class Linearizability final : public Oracle {
 public:
  void Ends(const EndState& end) override {
    const linear::Verdict verdict = linear::CheckKv(*end.history);
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
