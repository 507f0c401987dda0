#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "mapreduce/engine/context.h"

namespace trireme::mapreduce {

/// The options of a ready job, as the command line or a submitted job carries them. Errors name the
/// option and its value.
class JobOptions {
 public:
  explicit JobOptions(const Parameters& parameters) : parameters_(parameters) {}

  std::string String(std::string_view name, std::string_view otherwise = {}) const;
  /// A whole decimal number in [min, max].
  [[nodiscard]] absl::StatusOr<std::uint64_t> Number(std::string_view name, std::uint64_t otherwise,
                                                     std::uint64_t min, std::uint64_t max) const;
  /// False when not given; true for "" (given without a value), "true", "1".
  [[nodiscard]] absl::StatusOr<bool> Flag(std::string_view name) const;
  bool Has(std::string_view name) const { return parameters_.find(name) != parameters_.end(); }

 private:
  const Parameters& parameters_;
};

}  // namespace trireme::mapreduce
