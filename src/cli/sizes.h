#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "mapreduce/engine/input.h"

/// Numbers as people write and read them.
namespace trireme::cli {

/// "512", "64K", "64M", "2G" (powers of 1024; also KiB, MB, ... in either case). INVALID_ARGUMENT
/// names the text.
[[nodiscard]] absl::StatusOr<std::uint64_t> ParseSize(std::string_view text);

/// "lines", "files", "fixed:N".
[[nodiscard]] absl::StatusOr<mapreduce::InputFormat> ParseFormat(std::string_view text);

/// "90" (seconds), "250ms", "90s", "10m", "2h". In milliseconds.
[[nodiscard]] absl::StatusOr<std::int64_t> ParseDuration(std::string_view text);

std::string ShowBytes(std::uint64_t bytes);          ///< "1.5 GiB"
std::string ShowCount(std::int64_t count);           ///< "1,234,567"
std::string ShowSeconds(std::int64_t milliseconds);  ///< "0.25 s", "3 min 20 s"

}  // namespace trireme::cli
