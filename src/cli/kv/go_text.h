#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

/// Numbers, durations and strings as programs in Go write and read them: etcdctl's output and
/// errors are made of these. Errors have the text of Go's. Pure.
namespace trireme::kvcli {

/// A whole number; `base` 0 reads the prefixes 0x, 0o, 0b and 0.
absl::StatusOr<std::int64_t> ParseInt(std::string_view text, int base);
absl::StatusOr<std::uint64_t> ParseUint(std::string_view text, int base);
/// "1", "t", "true", "TRUE", ... and their opposites.
absl::StatusOr<bool> ParseBool(std::string_view text);
/// "1h15m30.5s", "300ms", "-1.5h", "0"; a number without a unit is refused.
absl::StatusOr<absl::Duration> ParseGoDuration(std::string_view text);
/// "1h15m30.5s", "1.5ms", "0s".
std::string ShowGoDuration(absl::Duration duration);

/// "83 MB": powers of 1000, two digits where they tell something.
std::string ShowSize(std::uint64_t bytes);

/// In double quotes, with what is not printable escaped: Go's %q.
std::string Quote(std::string_view text);
/// Reads one quoted string, "like\tthis" or `like this`, off the front of `*text`; nothing when
/// there is none or it is not well-formed, and then `*text` is as it was.
std::optional<std::string> TakeQuoted(std::string_view* text);

/// A JSON string, with <, > and & escaped.
std::string JsonQuote(std::string_view text);
std::string Base64(std::string_view bytes);
/// Every byte as \xNN.
std::string HexEscape(std::string_view bytes);

}  // namespace trireme::kvcli
