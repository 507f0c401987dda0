#include "sim/shrink.h"

#include <utility>

namespace trireme::sim {
namespace {

class Shrinker {
 public:
  Shrinker(const Options& failing, const RunWorld& run)
      : run_(run), best_{failing, run(failing), 1} {}

  Shrunk Run() {
    CutTime();
    for (bool changed = true; changed && best_.runs < kShrinkRunsMax;) {
      changed = false;
      for (const OptionField& field : OptionFields()) {
        if (field.is_fault) changed |= Try(field.number, 0);
      }
      changed |= Try(&Options::spares, best_.options.spares / 2);
      if (best_.options.voters > 3) changed |= Try(&Options::voters, best_.options.voters - 2);
      if (best_.options.voters > 1) changed |= Try(&Options::voters, best_.options.voters - 1);
      changed |= Try(&Options::clients, best_.options.clients / 2);
      changed |= Try(&Options::keys, 1);
      CutTime();
    }
    return std::move(best_);
  }

 private:
  /// Faults after the violation do not matter, unless it is that there was no progress.
  void CutTime() {
    const Options::Number end_ms = best_.result.at / kMillisecond + 1;
    if (end_ms < best_.options.safety_ms) Try(&Options::safety_ms, end_ms);
    Try(&Options::safety_ms, best_.options.safety_ms / 2);
  }

  bool Try(Options::Number Options::*number, Options::Number value) {
    Options options = best_.options;
    if (options.*number == value || best_.runs >= kShrinkRunsMax) return false;
    options.*number = value;
    if (!options.Validate().ok()) return false;
    ++best_.runs;
    RunResult result = run_(options);
    if (result.ok()) return false;
    best_.options = options;
    best_.result = std::move(result);
    return true;
  }

  const RunWorld& run_;
  Shrunk best_;
};

}  // namespace

Shrunk Shrink(const Options& failing, const RunWorld& run) {
  return Shrinker(failing, run).Run();
}

}  // namespace trireme::sim
