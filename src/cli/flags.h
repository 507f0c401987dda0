#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

namespace CLI {
class App;
class Option;
class ParseError;
}  // namespace CLI

/// Flags with a value, as every command reads them. What a flag does not take is refused in one
/// form, which names the flag, the value and what it takes: "--slots '0': give ...".
namespace trireme::cli {

/// Slots of one process.
inline constexpr std::int64_t kSlotsMax = 4096;
/// Failures of one task that a job may be told to bear.
inline constexpr std::int64_t kAttemptsMax = 10'000;

/// One line for an error of the command line's parser.
std::string Explain(const CLI::ParseError& error);

/// Raises the error that the parsers of the command line turn into one line.
[[noreturn]] void Refuse(std::string_view flag, std::string_view value, std::string_view takes);

/// `names` is CLI11's "-x,--long" or a positional's name. A whole decimal number in [min, max].
CLI::Option* AddNumber(CLI::App& app, const char* names, const char* help, std::int64_t min,
                       std::int64_t max, std::function<void(std::int64_t)> store);
/// Bytes, see ParseSize.
CLI::Option* AddSize(CLI::App& app, const char* names, const char* help, std::uint64_t min,
                     std::function<void(std::uint64_t)> store);
/// Milliseconds, see ParseDuration.
CLI::Option* AddTime(CLI::App& app, const char* names, const char* help, std::int64_t min_ms,
                     std::function<void(std::int64_t)> store);
/// One of a few words.
CLI::Option* AddChoice(CLI::App& app, const char* names, const char* help,
                       std::initializer_list<const char*> choices,
                       std::function<void(const std::string&)> store);
/// Takes effect as it is read.
void AddLogLevel(CLI::App& app);

}  // namespace trireme::cli
