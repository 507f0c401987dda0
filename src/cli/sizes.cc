#include "cli/sizes.h"

#include <charconv>
#include <cstdlib>
#include <limits>
#include <optional>

#include "fmt/format.h"

namespace trireme::cli {
namespace {

/// A whole number at the front of `text`, which loses it.
std::optional<std::uint64_t> TakeNumber(std::string_view& text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::optional<int> ShiftOf(std::string_view unit) {
  if (unit.empty()) return 0;
  int shift = 0;
  switch (unit[0]) {
    case 'k':
    case 'K':
      shift = 10;
      break;
    case 'm':
    case 'M':
      shift = 20;
      break;
    case 'g':
    case 'G':
      shift = 30;
      break;
    case 't':
    case 'T':
      shift = 40;
      break;
    case 'b':
    case 'B':
      return unit.size() == 1 ? std::optional<int>(0) : std::nullopt;
    default:
      return std::nullopt;
  }
  const std::string_view rest = unit.substr(1);
  const bool known = rest.empty() || rest == "B" || rest == "b" || rest == "iB" || rest == "ib";
  return known ? std::optional<int>(shift) : std::nullopt;
}

}  // namespace

absl::StatusOr<std::uint64_t> ParseSize(std::string_view text) {
  std::string_view rest = text;
  const auto number = TakeNumber(rest);
  const auto shift = ShiftOf(rest);
  if (!number || !shift)
    return absl::InvalidArgumentError(fmt::format(
        "'{}' is not a size: write a whole number of bytes, with K, M or G if you like", text));
  if (*number > (std::numeric_limits<std::uint64_t>::max() >> *shift))
    return absl::InvalidArgumentError(fmt::format("size '{}' is too large", text));
  return *number << *shift;
}

absl::StatusOr<mapreduce::InputFormat> ParseFormat(std::string_view text) {
  using mapreduce::InputFormat;
  if (text == "lines") return InputFormat{InputFormat::Kind::kLines, 0};
  if (text == "files") return InputFormat{InputFormat::Kind::kFiles, 0};
  if (text.starts_with("fixed:")) {
    std::string_view rest = text.substr(6);
    const auto bytes = TakeNumber(rest);
    if (bytes && rest.empty() && *bytes >= 1 && *bytes <= (1u << 30))
      return InputFormat{InputFormat::Kind::kFixed, static_cast<std::uint32_t>(*bytes)};
  }
  return absl::InvalidArgumentError(fmt::format(
      "'{}' is not a format: use lines, files or fixed:N with N bytes (1 to 2^30) per record",
      text));
}

absl::StatusOr<std::int64_t> ParseDuration(std::string_view text) {
  std::string_view rest = text;
  const auto number = TakeNumber(rest);
  std::uint64_t unit_ms = 0;
  if (rest.empty() || rest == "s") unit_ms = 1000;
  if (rest == "ms") unit_ms = 1;
  if (rest == "m" || rest == "min") unit_ms = 60'000;
  if (rest == "h") unit_ms = 3'600'000;
  constexpr std::uint64_t kMax = 1ull << 50;
  if (!number || unit_ms == 0 || *number > kMax / 3'600'000)
    return absl::InvalidArgumentError(
        fmt::format("'{}' is not a duration: write seconds, or a number with ms, s, m or h", text));
  return static_cast<std::int64_t>(*number * unit_ms);
}

std::string ShowBytes(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1023.95 && unit < 6) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string ShowCount(std::int64_t count) {
  std::string digits = fmt::format("{}", count);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > (count < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

std::string ShowSeconds(std::int64_t milliseconds) {
  if (milliseconds < 10'000)
    return fmt::format("{:.2f} s", static_cast<double>(milliseconds) / 1000);
  const std::int64_t seconds = milliseconds / 1000;
  if (seconds < 120) return fmt::format("{:.1f} s", static_cast<double>(milliseconds) / 1000);
  if (seconds < 7200) return fmt::format("{} min {:02} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {:02} min", seconds / 3600, seconds / 60 % 60);
}

}  // namespace trireme::cli
