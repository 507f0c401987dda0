#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

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

}  // namespace trireme::io
