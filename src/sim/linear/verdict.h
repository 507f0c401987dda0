#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace trireme::linear {

/// What the search may spend on one object before it says "undecided".
struct Limits {
  /// Configurations held at one time; about 100 bytes each.
  std::size_t configurations_max = std::size_t{1} << 19;
  /// Steps of the model, all told.
  std::uint64_t steps_max = 50'000'000;
};

/// Operations of one object that are open at one moment, those of unknown outcome among them.
inline constexpr std::size_t kPendingMax = 256;

enum class Conclusion : std::uint8_t {
  kLinearizable,
  kNotLinearizable,
  kUndecided,  ///< A limit was reached first; `why` names it.
};

struct Verdict {
  Conclusion conclusion = Conclusion::kLinearizable;
  /// kNotLinearizable: of the operation that no order explains, its place in the history. All that
  /// had returned before it can be explained.
  std::size_t culprit = 0;
  std::string why;
  std::uint64_t steps = 0;              ///< Of the model.
  std::size_t configurations_most = 0;  ///< Held at one time.
  bool ok() const { return conclusion == Conclusion::kLinearizable; }
};

}  // namespace trireme::linear
