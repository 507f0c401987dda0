#include "cli/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "cli/sizes.h"
#include "fmt/format.h"
#include "io/log.h"

namespace trireme::cli {
namespace {

/// What messages call the flag: its last name, which is the long one.
std::string NameIn(const char* names) {
  const std::string_view all(names);
  const std::size_t comma = all.rfind(',');
  return std::string(comma == std::string_view::npos ? all : all.substr(comma + 1));
}

std::string SizeText(std::uint64_t bytes) {
  if (bytes != 0 && bytes % (1u << 20) == 0) return fmt::format("{}M", bytes >> 20);
  return fmt::format("{}", bytes);
}

CLI::Option* AddText(CLI::App& app, const char* names, const char* help, const char* type,
                     std::function<void(const std::string&)> store) {
  return app.add_option_function<std::string>(names, std::move(store), help)->type_name(type);
}

}  // namespace

void Refuse(std::string_view flag, std::string_view value, std::string_view takes) {
  throw CLI::ValidationError(fmt::format("{} '{}': give {}", flag, value, takes));
}

CLI::Option* AddNumber(CLI::App& app, const char* names, const char* help, std::int64_t min,
                       std::int64_t max, std::function<void(std::int64_t)> store) {
  return AddText(app, names, help, "N",
                 [name = NameIn(names), min, max, store](const std::string& text) {
                   std::int64_t value = 0;
                   const char* end = text.data() + text.size();
                   const auto [at, error] = std::from_chars(text.data(), end, value);
                   if (error != std::errc() || at != end || value < min || value > max)
                     Refuse(name, text, fmt::format("a whole number from {} to {}", min, max));
                   store(value);
                 });
}

CLI::Option* AddSize(CLI::App& app, const char* names, const char* help, std::uint64_t min,
                     std::function<void(std::uint64_t)> store) {
  return AddText(app, names, help, "BYTES",
                 [name = NameIn(names), min, store](const std::string& text) {
                   const auto value = ParseSize(text);
                   if (!value.ok() || *value < min)
                     Refuse(name, text,
                            fmt::format("a whole number of bytes, with K, M, G or T if you like, "
                                        "at least {}",
                                        SizeText(min)));
                   store(*value);
                 });
}

CLI::Option* AddTime(CLI::App& app, const char* names, const char* help, std::int64_t min_ms,
                     std::function<void(std::int64_t)> store) {
  return AddText(app, names, help, "TIME",
                 [name = NameIn(names), min_ms, store](const std::string& text) {
                   const auto value = ParseDuration(text);
                   if (!value.ok() || *value < min_ms)
                     Refuse(name, text,
                            fmt::format("seconds, or a whole number with ms, s, m or h{}",
                                        min_ms > 0 ? fmt::format(", at least {}ms", min_ms) : ""));
                   store(*value);
                 });
}

CLI::Option* AddChoice(CLI::App& app, const char* names, const char* help,
                       std::initializer_list<const char*> choices,
                       std::function<void(const std::string&)> store) {
  const std::vector<std::string> known(choices.begin(), choices.end());
  return AddText(app, names, help, fmt::format("{}", fmt::join(known, "|")).c_str(),
                 [name = NameIn(names), known, store](const std::string& text) {
                   for (const std::string& one : known) {
                     if (one == text) return store(text);
                   }
                   Refuse(name, text, fmt::format("{}", fmt::join(known, " or ")));
                 });
}

std::string Explain(const CLI::ParseError& error) {
  std::string text = error.what();
  // CLI11 counts: "--slots: 1 required N missing", "--slots: At Most 1 required but received 2".
  if (const std::size_t colon = text.find(": ");
      dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr && colon != text.npos)
    text = text.substr(0, colon) + ": give one value, once";
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text + " (see --help)";
}

void AddLogLevel(CLI::App& app) {
  AddText(app, "--log-level", "debug, info, warn (default) or error", "debug|info|warn|error",
          [](const std::string& level) {
            if (!io::SetLogLevel(level).ok())
              Refuse("--log-level", level, "debug, info, warn or error");
          });
}

}  // namespace trireme::cli
