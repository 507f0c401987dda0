#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

/// Structured logs on standard error, one event a line as `key=value` pairs. Thread-safe. Quiet by
/// default: only warnings and errors. Nothing secret is ever a field.
namespace trireme::io {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };

/// `debug`, `info`, `warn` or `error`; INVALID_ARGUMENT names what else was given.
[[nodiscard]] absl::Status SetLogLevel(std::string_view name);
bool Logs(LogLevel level);

/// `event` says what happened in a word or two; values are quoted where they need it.
void Log(LogLevel level, std::string_view event,
         std::initializer_list<std::pair<std::string_view, std::string>> fields);

/// What a page shows of the log: from here on the newest `lines` of at least `level` are kept in
/// memory, whatever standard error gets. A longer line is cut.
inline constexpr std::size_t kRecentLogLineBytesMax = 1000;
void KeepRecentLog(LogLevel level, std::size_t lines);
struct LogLine {
  std::uint64_t number = 0;  ///< One more than that of the line before.
  std::int64_t unix_ms = 0;
  LogLevel level = LogLevel::kInfo;
  std::string text;
};
/// The newest of them, the oldest first.
std::vector<LogLine> RecentLog(std::size_t most);

}  // namespace trireme::io
