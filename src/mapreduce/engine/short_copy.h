#pragma once

#include <trireme/mapreduce.h>

#include <cstddef>
#include <cstring>
#include <string_view>

/// Copies of records, most of which are short: a call of memcpy with a size that nobody can predict
/// costs more than the copy.
namespace trireme::mapreduce {

/// Bytes beyond the end of a copy that may be overwritten.
inline constexpr std::size_t kCopySlack = 32;

/// Copies `bytes` and returns the end of the copy.
inline char* CopyShort(char* to, std::string_view bytes) {
  constexpr std::size_t kHalf = internal::kInlineKeyBytes;
  if (bytes.size() <= kHalf) {
    const internal::KeyPrefix all = internal::LoadPrefix(bytes.data(), bytes.size());
    std::memcpy(to, &all, sizeof all);
  } else if (bytes.size() <= 2 * kHalf) {  // two halves that overlap
    char last[kHalf];
    std::memcpy(last, bytes.data() + bytes.size() - kHalf, kHalf);
    std::memcpy(to, bytes.data(), kHalf);
    std::memcpy(to + bytes.size() - kHalf, last, kHalf);
  } else {
    std::memcpy(to, bytes.data(), bytes.size());
  }
  return to + bytes.size();
}

/// The same where kCopySlack bytes behind `bytes` are readable, too.
inline char* CopyPadded(char* to, std::string_view bytes) {
  constexpr std::size_t kLong = 256;
  if (bytes.size() > kLong) {
    std::memcpy(to, bytes.data(), bytes.size());
  } else {
    for (std::size_t at = 0; at < bytes.size(); at += kCopySlack)
      std::memcpy(to + at, bytes.data() + at, kCopySlack);
  }
  return to + bytes.size();
}

}  // namespace trireme::mapreduce
