#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace trireme::mapreduce {

/// Finds a literal in text with the vector instructions of the processor at hand: two of its bytes
/// are compared at many places at once, the whole only where both agree.
class LiteralFinder {
 public:
  /// `literal` is not empty.
  explicit LiteralFinder(std::string literal);

  /// Chooses the two bytes that are rarest in `sample`. Changes the speed, never a result.
  void Tune(std::string_view sample);

  /// The first occurrence at or after `from`, npos when there is none.
  std::size_t Find(std::string_view text, std::size_t from = 0) const;

  const std::string& literal() const { return literal_; }

 private:
  std::string literal_;
  std::size_t first_, second_;  // positions in literal_ of the two bytes, first_ <= second_
};

/// The line that the byte at `at` is part of, without its '\n'. A '\n' is part of the line it ends.
std::string_view LineAround(std::string_view text, std::size_t at);

}  // namespace trireme::mapreduce
