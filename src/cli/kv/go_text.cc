#include "cli/kv/go_text.h"

#include <array>
#include <charconv>
#include <cmath>

#include "absl/strings/escaping.h"
#include "fmt/format.h"

namespace trireme::kvcli {
namespace {

absl::Status ParseError(std::string_view function, std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      fmt::format("strconv.{}: parsing {}: {}", function, Quote(text), why));
}

/// Takes the base's prefix off the front, when `base` is 0.
int TakeBase(std::string_view* digits, int base) {
  if (base != 0) return base;
  if (digits->size() < 2 || digits->front() != '0') return 10;
  const char kind = static_cast<char>((*digits)[1] | 0x20);
  const int found = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
  digits->remove_prefix(found != 0 ? 2 : 1);
  return found != 0 ? found : 8;
}

absl::StatusOr<std::uint64_t> ParseDigits(std::string_view function, std::string_view text,
                                          std::string_view digits, int base) {
  std::uint64_t value = 0;
  base = TakeBase(&digits, base);
  const char* end = digits.data() + digits.size();
  const auto [at, error] = std::from_chars(digits.data(), end, value, base);
  if (error == std::errc::result_out_of_range && at == end)
    return ParseError(function, text, "value out of range");
  if (error != std::errc() || at != end) return ParseError(function, text, "invalid syntax");
  return value;
}

struct Unit {
  std::string_view name;
  absl::Duration size;
};

const std::array<Unit, 8>& Units() {
  static const std::array<Unit, 8> units = {{{"ns", absl::Nanoseconds(1)},
                                             {"us", absl::Microseconds(1)},
                                             {"\xc2\xb5s", absl::Microseconds(1)},
                                             {"\xce\xbcs", absl::Microseconds(1)},
                                             {"ms", absl::Milliseconds(1)},
                                             {"s", absl::Seconds(1)},
                                             {"m", absl::Minutes(1)},
                                             {"h", absl::Hours(1)}}};
  return units;
}

/// One "12.5ms" off the front of `*rest`.
absl::StatusOr<absl::Duration> TakeTerm(std::string_view whole, std::string_view* rest) {
  const std::size_t digits = rest->find_first_not_of("0123456789.");
  const std::string_view number = rest->substr(0, digits);
  const std::string_view after = digits == rest->npos ? "" : rest->substr(digits);
  const std::string_view unit = after.substr(0, after.find_first_of("0123456789."));
  double value = 0;
  const auto [at, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (number.empty() || error != std::errc() || at != number.data() + number.size())
    return absl::InvalidArgumentError(fmt::format("time: invalid duration {}", Quote(whole)));
  if (unit.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("time: missing unit in duration {}", Quote(whole)));
  }
  rest->remove_prefix(number.size() + unit.size());
  for (const Unit& one : Units()) {
    if (one.name == unit) return value * one.size;
  }
  return absl::InvalidArgumentError(
      fmt::format("time: unknown unit {} in duration {}", Quote(unit), Quote(whole)));
}

/// Without zeros at the end.
std::string Trimmed(double value) {
  std::string text = fmt::format("{:.9f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

/// The length of the UTF-8 character at the front; 0 when there is none.
std::size_t Utf8Length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t size = byte(0) < 0x80   ? 1
                           : byte(0) < 0xc2 ? 0
                           : byte(0) < 0xe0 ? 2
                           : byte(0) < 0xf0 ? 3
                           : byte(0) < 0xf5 ? 4
                                            : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (byte(0) == 0xe0 && byte(1) < 0xa0) || (byte(0) == 0xf0 && byte(1) < 0x90);
  const bool beyond = (byte(0) == 0xed && byte(1) > 0x9f) || (byte(0) == 0xf4 && byte(1) > 0x8f);
  return overlong || beyond ? 0 : size;
}

std::uint32_t CodePoint(std::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  std::uint32_t code = character.size() == 1 ? first : first & (0xff >> (character.size() + 1));
  for (const char c : character.substr(1)) code = code << 6 | (static_cast<unsigned char>(c) & 63);
  return code;
}

std::string Utf8(std::uint32_t code) {
  std::string out;
  if (code < 0x80) {
    out += static_cast<char>(code);
    return out;
  }
  const int tails = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  out += static_cast<char>((0xf0 << (3 - tails) & 0xff) | code >> (6 * tails));
  for (int i = tails - 1; i >= 0; --i) out += static_cast<char>(0x80 | (code >> (6 * i) & 63));
  return out;
}

std::string_view ShortEscape(char c) {
  switch (c) {
    case '\a':
      return "\\a";
    case '\b':
      return "\\b";
    case '\f':
      return "\\f";
    case '\n':
      return "\\n";
    case '\r':
      return "\\r";
    case '\t':
      return "\\t";
    case '\v':
      return "\\v";
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    default:
      return "";
  }
}

/// The controls above ASCII, the spaces that are no plain space, and what can never be printed.
/// Go's whole table of what is printable is not repeated here.
bool Printable(std::uint32_t code) {
  if (code < 0xa1) return false;
  if (code == 0xad || code == 0x1680 || code == 0x3000 || code == 0xfeff) return false;
  if (code >= 0x2000 && code <= 0x200f) return false;
  if (code >= 0x2028 && code <= 0x202f) return false;
  if (code >= 0x205f && code <= 0x206f) return false;
  if (code >= 0xe000 && code <= 0xf8ff) return false;
  if (code >= 0xfff0 && code <= 0xfffb) return false;
  return (code & 0xfffe) != 0xfffe && code < 0xe0000;
}

/// `\x41`, `\u00e9`, `\n`, `\101` after the backslash; false when it is none of them.
bool TakeEscape(std::string_view* text, std::string* out) {
  if (text->empty()) return false;
  const char kind = text->front();
  constexpr std::string_view kKinds = "abfnrtv\\\"'", kMeanings = "\a\b\f\n\r\t\v\\\"'";
  if (const std::size_t at = kKinds.find(kind); at != kKinds.npos) {
    if (kind == '\'') return false;  // Go has it in characters only.
    text->remove_prefix(1);
    *out += kMeanings[at];
    return true;
  }
  const bool octal = kind >= '0' && kind <= '7';
  const std::size_t digits = octal ? 3 : kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
  if (!octal) text->remove_prefix(1);
  if (digits == 0 || text->size() < digits) return false;
  std::uint32_t code = 0;
  const char* end = text->data() + digits;
  const auto [at, error] = std::from_chars(text->data(), end, code, octal ? 8 : 16);
  if (error != std::errc() || at != end) return false;
  text->remove_prefix(digits);
  if (kind == 'u' || kind == 'U') {
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    *out += Utf8(code);
  } else if (code > 255) {
    return false;
  } else {
    *out += static_cast<char>(code);
  }
  return true;
}

}  // namespace

absl::StatusOr<std::int64_t> ParseInt(std::string_view text, int base) {
  const bool negative = text.starts_with('-');
  const std::string_view digits = text.substr(negative || text.starts_with('+') ? 1 : 0);
  const auto value = ParseDigits("ParseInt", text, digits, base);
  if (!value.ok()) return value.status();
  const std::uint64_t limit = static_cast<std::uint64_t>(INT64_MAX) + (negative ? 1 : 0);
  if (*value > limit) return ParseError("ParseInt", text, "value out of range");
  return static_cast<std::int64_t>(negative ? -*value : *value);
}

absl::StatusOr<std::uint64_t> ParseUint(std::string_view text, int base) {
  return ParseDigits("ParseUint", text, text, base);
}

absl::StatusOr<bool> ParseBool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return ParseError("ParseBool", text, "invalid syntax");
}

absl::StatusOr<absl::Duration> ParseGoDuration(std::string_view text) {
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return absl::ZeroDuration();
  if (rest.empty())
    return absl::InvalidArgumentError(fmt::format("time: invalid duration {}", Quote(text)));
  absl::Duration sum;
  while (!rest.empty()) {
    const auto term = TakeTerm(text, &rest);
    if (!term.ok()) return term.status();
    sum += *term;
  }
  return negative ? -sum : sum;
}

std::string ShowGoDuration(absl::Duration duration) {
  if (duration == absl::ZeroDuration()) return "0s";
  if (duration < absl::ZeroDuration()) return "-" + ShowGoDuration(-duration);
  const double ns = absl::ToDoubleNanoseconds(duration);
  if (ns < 1e3) return fmt::format("{}ns", static_cast<std::int64_t>(ns));
  if (ns < 1e6) return Trimmed(ns / 1e3) + "\xc2\xb5s";
  if (ns < 1e9) return Trimmed(ns / 1e6) + "ms";
  absl::Duration rest;
  const std::int64_t minutes = absl::IDivDuration(duration, absl::Minutes(1), &rest);
  std::string text = Trimmed(absl::ToDoubleSeconds(rest)) + "s";
  if (minutes > 0) text = fmt::format("{}m{}", minutes % 60, text);
  if (minutes >= 60) text = fmt::format("{}h{}", minutes / 60, text);
  return text;
}

std::string ShowSize(std::uint64_t bytes) {
  constexpr std::array<const char*, 7> kNames = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 10) return fmt::format("{} B", bytes);
  std::size_t power = 0;
  double value = static_cast<double>(bytes);
  for (double at = 1000; power + 1 < kNames.size() && static_cast<double>(bytes) >= at; at *= 1000)
    ++power;
  value = std::floor(value / std::pow(1000, power) * 10 + 0.5) / 10;
  return fmt::format("{:.{}f} {}", value, value < 10 ? 1 : 0, kNames[power]);
}

std::string Quote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t size = Utf8Length(text);
    const std::string_view character = text.substr(0, size == 0 ? 1 : size);
    const char c = text[0];
    text.remove_prefix(character.size());
    const std::uint32_t code = size > 1 ? CodePoint(character) : 0;
    if (const std::string_view escape = ShortEscape(c); !escape.empty()) {
      out += escape;
    } else if ((size == 1 && c >= ' ' && c != '\x7f') || (size > 1 && Printable(code))) {
      out += character;
    } else if (size <= 1) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += code < 0x10000 ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
    }
  }
  return out + '"';
}

std::optional<std::string> TakeQuoted(std::string_view* text) {
  if (text->starts_with('`')) {
    const std::size_t end = text->find('`', 1);
    if (end == text->npos) return std::nullopt;
    std::string raw(text->substr(1, end - 1));
    text->remove_prefix(end + 1);
    return raw;
  }
  if (!text->starts_with('"')) return std::nullopt;
  std::string_view rest = text->substr(1);
  std::string out;
  while (!rest.empty() && rest.front() != '"' && rest.front() != '\n') {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (c != '\\') {
      out += c;
    } else if (!TakeEscape(&rest, &out)) {
      return std::nullopt;
    }
  }
  if (!rest.starts_with('"')) return std::nullopt;
  *text = rest.substr(1);
  return out;
}

std::string JsonQuote(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const std::size_t size = Utf8Length(text);
    const std::string_view character = text.substr(0, size == 0 ? 1 : size);
    const char c = text[0];
    text.remove_prefix(character.size());
    if (size == 0) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\' || c == '\n' || c == '\r' || c == '\t') {
      out += ShortEscape(c);
    } else if (static_cast<unsigned char>(c) < ' ' || c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else if (character == "\xe2\x80\xa8" || character == "\xe2\x80\xa9") {
      out += character.back() == '\xa8' ? "\\u2028" : "\\u2029";
    } else {
      out += character;
    }
  }
  return out + '"';
}

std::string Base64(std::string_view bytes) {
  return absl::Base64Escape({bytes.data(), bytes.size()});
}

std::string HexEscape(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 4);
  for (const char c : bytes) out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return out;
}

}  // namespace trireme::kvcli
