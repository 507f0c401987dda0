#pragma once

#include <re2/re2.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "mapreduce/engine/text_search.h"

namespace trireme::mapreduce {

/// What a regular expression's automata may take in memory.
inline constexpr std::int64_t kRegexMemoryBytes = 64 << 20;

/// Finds the lines that match a pattern, many lines at a time. Literals are searched by vector
/// instructions, regular expressions (RE2 syntax, linear time) over whole blocks.
class LineMatcher {
 public:
  struct Options {
    std::string pattern;
    bool ignore_case = false;
    bool fixed_strings = false;
  };

  /// INVALID_ARGUMENT when the pattern is no regular expression or contains a line break.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<LineMatcher>> Create(const Options& options);

  /// Adapts to text like `sample`; changes no result.
  void Tune(std::string_view sample);

  /// The first line beginning at or after `from`, where one does, that matches; a view into `lines`
  /// without its '\n', null data when there is none. `lines` does not end in the '\n' of its last
  /// line (which is empty if there is one left).
  std::string_view Next(std::string_view lines, std::size_t from) const;

 private:
  LineMatcher() = default;
  std::string_view NextByRegex(std::string_view lines, std::size_t from) const;
  std::string_view NextByRequired(std::string_view lines, std::size_t from) const;
  bool MatchesLine(std::string_view line) const;
  std::string_view NextLineByLine(std::string_view lines, std::size_t from) const;

  std::optional<LiteralFinder> literal_;
  std::unique_ptr<RE2> regex_;
  std::optional<LiteralFinder> required_;  // what each match of regex_ contains
  bool search_required_ = false;           // look for that first
  bool line_by_line_ = false;              // the expression could tell a block from a line
};

}  // namespace trireme::mapreduce
