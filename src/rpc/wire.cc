#include "rpc/wire.h"

#include <algorithm>
#include <array>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"

namespace trireme::rpc {
namespace {

constexpr char kHexDigits[] = "0123456789ABCDEF";

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool NeedsEscape(char c) {
  return c < 0x20 || c > 0x7e || c == '%';
}

struct Unit {
  char letter;
  std::int64_t nanoseconds;
};
constexpr std::array<Unit, 6> kUnits = {{{'n', 1},
                                         {'u', 1'000},
                                         {'m', 1'000'000},
                                         {'S', 1'000'000'000},
                                         {'M', 60'000'000'000},
                                         {'H', 3'600'000'000'000}}};
constexpr std::int64_t kTimeoutDigitsMax = 99'999'999;

/// Up to three digits and zeros, at most a hundredth more. Calls of one timeout then say the same
/// although some time of each has passed, and HPACK has a name for it.
std::int64_t RoundUp(std::int64_t total) {
  std::int64_t step = 1;
  while (total / step > 999) step *= 10;
  std::int64_t rounded = 0;
  const std::int64_t steps = total / step + (total % step != 0 ? 1 : 0);
  return __builtin_mul_overflow(steps, step, &rounded) ? INT64_MAX : rounded;
}

}  // namespace

std::string PercentEncode(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (const char c : text) {
    if (!NeedsEscape(c)) {
      result.push_back(c);
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    result.append({'%', kHexDigits[byte >> 4], kHexDigits[byte & 15]});
  }
  return result;
}

std::string PercentDecode(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? HexValue(text[i + 1]) : -1;
    const int low = high >= 0 ? HexValue(text[i + 2]) : -1;
    if (low < 0) {
      result.push_back(text[i]);
      continue;
    }
    result.push_back(static_cast<char>(high << 4 | low));
    i += 2;
  }
  return result;
}

std::optional<std::chrono::nanoseconds> ParseTimeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  std::int64_t value = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  for (const Unit& unit : kUnits) {
    if (unit.letter != text.back()) continue;
    std::int64_t total = 0;  // 99,999,999 hours do not fit: forever, then.
    if (__builtin_mul_overflow(value, unit.nanoseconds, &total)) total = INT64_MAX;
    return std::chrono::nanoseconds(total);
  }
  return std::nullopt;
}

std::string FormatTimeout(std::chrono::nanoseconds timeout) {
  const std::int64_t total = RoundUp(std::max<std::int64_t>(timeout.count(), 0));
  for (const Unit& unit : kUnits) {
    const std::int64_t value = total / unit.nanoseconds + (total % unit.nanoseconds != 0 ? 1 : 0);
    if (value <= kTimeoutDigitsMax) return std::to_string(value) + unit.letter;
  }
  return "99999999H";  // Not reached: 2^63 ns are 2.6 million hours.
}

std::string Base64Encode(std::string_view bytes) {
  std::string result;
  absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()), &result);
  while (!result.empty() && result.back() == '=') result.pop_back();
  return result;
}

std::optional<std::string> Base64Decode(std::string_view text) {
  std::string result;
  if (!absl::Base64Unescape(absl::string_view(text.data(), text.size()), &result)) {
    return std::nullopt;
  }
  return result;
}

absl::StatusCode ParseStatusCode(std::string_view text) {
  int code = 0;
  if (text.empty() || text.size() > 2) return absl::StatusCode::kUnknown;
  for (const char c : text) {
    if (c < '0' || c > '9') return absl::StatusCode::kUnknown;
    code = code * 10 + (c - '0');
  }
  return code <= 16 ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown;
}

absl::StatusCode StatusCodeOfHttp(int http_status) {
  switch (http_status) {
    case 400:
      return absl::StatusCode::kInternal;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kUnknown;
  }
}

absl::StatusCode StatusCodeOfReset(std::uint32_t http2_error) {
  switch (http2_error) {
    case 0x7:
      return absl::StatusCode::kUnavailable;  // REFUSED_STREAM
    case 0x8:
      return absl::StatusCode::kCancelled;  // CANCEL
    case 0xb:
      return absl::StatusCode::kResourceExhausted;  // ENHANCE_YOUR_CALM
    case 0xc:
      return absl::StatusCode::kPermissionDenied;  // INADEQUATE_SECURITY
    default:
      return absl::StatusCode::kInternal;
  }
}

bool IsGrpcContentType(std::string_view value) {
  constexpr std::string_view kPrefix = "application/grpc";
  if (!value.starts_with(kPrefix)) return false;
  return value.size() == kPrefix.size() || value[kPrefix.size()] == '+' ||
         value[kPrefix.size()] == ';';
}

}  // namespace trireme::rpc
