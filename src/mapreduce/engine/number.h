#pragma once

#include <charconv>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace trireme::mapreduce {

/// A whole number as the value of an intermediate record: zigzag, then varint.
struct EncodedNumber {
  explicit EncodedNumber(std::int64_t value) {
    const std::uint64_t zigzag =
        (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
    size = static_cast<std::size_t>(StoreVarint(bytes, zigzag) - bytes);
  }
  std::string_view view() const { return {bytes, size}; }
  char bytes[kVarintBytesMax];
  std::size_t size;
};

/// The sum modulo 2^64: commands, other processes and users may count beyond 64 bits.
inline std::int64_t WrappingSum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

/// False when `bytes` is not exactly one encoded number.
[[nodiscard]] inline bool DecodeNumber(std::string_view bytes, std::int64_t* value) {
  std::uint64_t zigzag = 0;
  const char* end = bytes.data() + bytes.size();
  if (bytes.size() == 1 && (bytes[0] & 0x80) == 0) [[likely]] {
    zigzag = static_cast<unsigned char>(bytes[0]);
  } else if (bytes.empty() || LoadVarint(bytes.data(), end, &zigzag) != end) {
    return false;
  }
  *value = static_cast<std::int64_t>((zigzag >> 1) ^ (~(zigzag & 1) + 1));
  return true;
}

/// False when `text` is not exactly one decimal number of 64 bits.
[[nodiscard]] inline bool ParseNumber(std::string_view text, std::int64_t* value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
  return error == std::errc() && end == text.data() + text.size();
}

/// Decimal digits in place.
struct DecimalNumber {
  explicit DecimalNumber(std::int64_t value)
      : size(static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, value).ptr -
                                      digits)) {}
  std::string_view view() const { return {digits, size}; }
  char digits[24];
  std::size_t size;
};

}  // namespace trireme::mapreduce
