#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace trireme::mapreduce {

/// How the bytes of an input file become records.
struct InputFormat {
  enum class Kind : std::uint8_t { kLines, kFiles, kFixed };
  Kind kind = Kind::kLines;
  std::uint32_t record_bytes = 0;  ///< for kFixed
};

/// A part of a file. Records that begin in [offset, offset + length) belong to it. A compressed
/// file is always one range (its length counts compressed bytes).
struct InputRange {
  std::string path;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

/// What one map task reads: ranges of one or, when they are small, several files, in input order.
struct Split {
  std::vector<InputRange> ranges;
  std::uint64_t SizeBytes() const {
    std::uint64_t sum = 0;
    for (const InputRange& range : ranges) sum += range.length;
    return sum;
  }
};

}  // namespace trireme::mapreduce
