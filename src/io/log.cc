#include "io/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <mutex>

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

/// The newest lines, for pages.
class Recent {
 public:
  void Keep(LogLevel level, std::size_t lines) {
    const std::lock_guard lock(mutex_);
    level_ = static_cast<int>(level);
    lines_max_ = lines;
  }
  bool Wants(LogLevel level) const { return static_cast<int>(level) >= level_.load(); }
  void Add(LogLevel level, std::string_view text) {
    const std::chrono::system_clock::duration now =
        std::chrono::system_clock::now().time_since_epoch();
    const std::lock_guard lock(mutex_);
    lines_.push_back({++last_, std::chrono::duration_cast<std::chrono::milliseconds>(now).count(),
                      level, std::string(text.substr(0, kRecentLogLineBytesMax))});
    if (lines_.size() > lines_max_) lines_.pop_front();
  }
  std::vector<LogLine> Newest(std::size_t most) {
    const std::lock_guard lock(mutex_);
    const auto count = static_cast<std::ptrdiff_t>(std::min(most, lines_.size()));
    return {lines_.end() - count, lines_.end()};
  }

 private:
  std::atomic<int> level_{100};  // Of none.
  std::mutex mutex_;
  std::deque<LogLine> lines_;  // Guarded by mutex_, as all below.
  std::size_t lines_max_ = 0;
  std::uint64_t last_ = 0;
};

Recent& RecentLines() {
  static Recent recent;
  return recent;
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
  return Logger().should_log(LevelOf(level)) || RecentLines().Wants(level);
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
  if (RecentLines().Wants(level)) RecentLines().Add(level, line);
}

void KeepRecentLog(LogLevel level, std::size_t lines) {
  RecentLines().Keep(level, lines);
}

std::vector<LogLine> RecentLog(std::size_t most) {
  return RecentLines().Newest(most);
}

}  // namespace trireme::io
