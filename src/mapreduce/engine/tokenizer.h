#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/check.h"

namespace trireme::mapreduce {

/// The words of a text, as ForEachWord finds them (maximal runs of bytes that are not 9 to 13 or
/// 32), many at a time, with the vector instructions of the processor at hand.
class WordScanner {
 public:
  /// Where a word lies in the text.
  struct Span {
    std::uint32_t begin, end;
  };
  /// More than the engine ever has in one record or block.
  static constexpr std::size_t kTextBytesMax = 1u << 31;

  /// `text` outlives the scanner and has at most kTextBytesMax bytes.
  explicit WordScanner(std::string_view text) : text_(text) {
    TRIREME_CHECK(text.size() <= kTextBytesMax);
  }

  /// The next words, in order; empty when there are no more. Valid until the next call.
  std::span<const Span> Next();

 private:
  /// Bytes looked at per call: their words stay in the level-1 cache.
  static constexpr std::size_t kChunkBytes = 8192;

  std::string_view text_;
  std::size_t at_ = 0;
  // Positions where words begin and end, in turn. When the last word is not yet ended, its
  // beginning waits in the front of the array for the next call.
  std::uint32_t in_word_ = 0;
  std::uint32_t word_begin_ = 0;
  std::array<std::uint32_t, kChunkBytes + 64> edges_;
};

}  // namespace trireme::mapreduce
