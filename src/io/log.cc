#include "io/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <memory>

#include "fmt/format.h"

namespace trireme::io {
namespace {

constexpr std::array<std::pair<std::string_view, spdlog::level::level_enum>, 4> kLevels = {{
    {"debug", spdlog::level::debug},
    {"info", spdlog::level::info},
    {"warn", spdlog::level::warn},
    {"error", spdlog::level::err},
}};

spdlog::level::level_enum LevelOf(LogLevel level) {
  return kLevels[static_cast<std::size_t>(level)].second;
}

spdlog::logger& Logger() {
  static const std::shared_ptr<spdlog::logger> logger = [] {
    auto made = std::make_shared<spdlog::logger>("trireme",
                                                 std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->set_pattern("time=%Y-%m-%dT%H:%M:%S.%e%z level=%l %v");
    made->set_level(spdlog::level::warn);
    return made;
  }();
  return *logger;
}

/// As it is, or in double quotes with escapes when it would not read as one word.
void AppendValue(std::string_view value, std::string& to) {
  if (!value.empty() && value.find_first_of(" \t\r\n\"=\\") == std::string_view::npos) {
    to += value;
    return;
  }
  to += '"';
  for (const char c : value) {
    if (c == '\n') {
      to += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') to += '\\';
    to += c;
  }
  to += '"';
}

}  // namespace

absl::Status SetLogLevel(std::string_view name) {
  for (const auto& [level_name, level] : kLevels) {
    if (level_name != name) continue;
    Logger().set_level(level);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("--log-level '{}': choose debug, info, warn or error", name));
}

bool Logs(LogLevel level) {
  return Logger().should_log(LevelOf(level));
}

void Log(LogLevel level, std::string_view event,
         std::initializer_list<std::pair<std::string_view, std::string>> fields) {
  if (!Logs(level)) return;
  std::string line = "event=";
  AppendValue(event, line);
  for (const auto& [key, value] : fields) {
    line += fmt::format(" {}=", key);
    AppendValue(value, line);
  }
  Logger().log(LevelOf(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace trireme::io
