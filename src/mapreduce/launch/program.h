#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "io/process.h"

/// Other people's command line programs.
namespace trireme::mapreduce::launch {

/// A scheduler's command that takes longer is ended.
inline constexpr std::int64_t kProgramPatienceMs = 60'000;
/// What one may print; more ends it.
inline constexpr std::size_t kProgramOutputBytesMax = 64u << 20;

/// The path of a program in $PATH. NOT_FOUND says what was looked for.
[[nodiscard]] absl::StatusOr<std::string> FindProgram(std::string_view name);

struct ProgramOutput {
  io::ExitStatus status;
  std::string out, err;
};

/// Runs argv[0], found in $PATH, to its end. An error only when it could not be run, took longer
/// than `patience_ms` or printed too much.
[[nodiscard]] absl::StatusOr<ProgramOutput> RunProgram(
    const std::vector<std::string>& argv, std::int64_t patience_ms = kProgramPatienceMs);

/// The arguments as one line that any POSIX shell reads back as them.
std::string ShellLine(const std::vector<std::string>& arguments);

/// The last line of `text` that says anything, without what would steer a terminal.
std::string LastLine(std::string_view text);

}  // namespace trireme::mapreduce::launch
