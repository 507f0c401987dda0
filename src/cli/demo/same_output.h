#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace trireme::demo {

struct OutputSize {
  std::size_t files = 0;
  std::uint64_t bytes = 0;
};

/// Whether two output directories hold the same files with the same bytes. INTERNAL names the first
/// file that differs.
[[nodiscard]] absl::StatusOr<OutputSize> SameOutput(const std::string& one,
                                                    const std::string& other);

/// The lines "word<TAB>number" of an output directory with the greatest numbers.
std::vector<std::pair<std::uint64_t, std::string>> Greatest(const std::string& output,
                                                            std::size_t count);

}  // namespace trireme::demo
