#include "mapreduce/cluster/report_text.h"

#include <algorithm>
#include <cmath>

#include "fmt/format.h"

namespace trireme::mapreduce {

std::string HtmlText(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '&':
        safe += "&amp;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += static_cast<unsigned char>(c) < 32 && c != '\n' && c != '\t' ? '?' : c;
    }
  }
  return safe;
}

std::string BytesText(double bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  int unit = 0;
  while (bytes >= 1023.95 && unit < 5) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string AxisBytesText(double bytes) {
  std::string text = BytesText(bytes);
  if (const std::size_t zero = text.find(".0 "); zero != std::string::npos) text.erase(zero, 2);
  return text;
}

std::string DurationText(std::int64_t ms) {
  const std::int64_t seconds = (ms + 500) / 1000;
  if (ms < 1000) return fmt::format("{} ms", ms);
  if (seconds < 100) return fmt::format("{:.2f} s", static_cast<double>(ms) / 1000);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
}

std::string CountText(std::int64_t count) {
  std::string digits = fmt::format("{}", count);
  for (auto at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > (count < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  return digits;
}

std::string Plural(std::int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", CountText(count), noun, count == 1 ? "" : "s");
}

double NiceStep(double whole, int parts) {
  const double power = std::pow(10, std::floor(std::log10(std::max(whole / parts, 1e-9))));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (whole / (factor * power) <= parts) return factor * power;
  }
  return 10 * power;
}

TimeUnit AxisUnit(std::int64_t total_ms) {
  if (total_ms < 1000) return {1, "ms"};
  if (total_ms < 300'000) return {1000, "s"};
  if (total_ms < 5 * 3'600'000) return {60'000, "min"};
  return {3'600'000, "h"};
}

}  // namespace trireme::mapreduce
