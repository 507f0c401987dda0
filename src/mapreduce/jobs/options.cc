#include "mapreduce/jobs/options.h"

#include <charconv>

#include "fmt/format.h"

namespace trireme::mapreduce {

std::string JobOptions::String(std::string_view name, std::string_view otherwise) const {
  const auto found = parameters_.find(name);
  return found == parameters_.end() ? std::string(otherwise) : found->second;
}

absl::StatusOr<std::uint64_t> JobOptions::Number(std::string_view name, std::uint64_t otherwise,
                                                 std::uint64_t min, std::uint64_t max) const {
  const auto found = parameters_.find(name);
  if (found == parameters_.end()) return otherwise;
  const std::string& text = found->second;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && min <= value && value <= max)
    return value;
  return absl::InvalidArgumentError(
      fmt::format("--{} is '{}': give a whole number from {} to {}", name, text, min, max));
}

absl::StatusOr<bool> JobOptions::Flag(std::string_view name) const {
  const auto found = parameters_.find(name);
  if (found == parameters_.end()) return false;
  const std::string& text = found->second;
  if (text.empty() || text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return absl::InvalidArgumentError(fmt::format("--{} is '{}': give true or false", name, text));
}

}  // namespace trireme::mapreduce
