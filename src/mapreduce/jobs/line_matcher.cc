#include "mapreduce/jobs/line_matcher.h"

#include <algorithm>

#include "fmt/format.h"

namespace trireme::mapreduce {
namespace {

bool IsLiteral(std::string_view pattern) {
  return !pattern.empty() && pattern.find_first_of("\\.+*?()|[]{}^$") == std::string_view::npos;
}

/// Whether an expression may depend on where the text, not just the line, begins or ends: by \A,
/// \z, \C or its own flags. Says so of some that do not.
bool MayLookBeyondTheLine(std::string_view pattern) {
  for (std::size_t i = 0; i + 1 < pattern.size(); ++i) {
    const char next = pattern[i + 1];
    if (pattern[i] == '\\' && (next == 'A' || next == 'z' || next == 'C')) return true;
    if (pattern[i] == '(' && next == '?') {
      const std::string_view after = pattern.substr(i + 2, 1);
      if (after != ":" && after != "P") return true;
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LineMatcher>> LineMatcher::Create(const Options& options) {
  std::unique_ptr<LineMatcher> matcher(new LineMatcher);
  const std::string& pattern = options.pattern;
  if (pattern.find('\n') != std::string::npos) {
    return absl::InvalidArgumentError(
        "--pattern contains a line break, which no line does: use alternatives, a|b");
  }
  const bool literal = options.fixed_strings || IsLiteral(pattern);
  if (literal && !options.ignore_case && !pattern.empty()) {
    matcher->literal_.emplace(pattern);
    return matcher;
  }
  RE2::Options how;
  how.set_log_errors(false);
  how.set_never_nl(true);
  how.set_case_sensitive(!options.ignore_case);
  how.set_max_mem(kRegexMemoryBytes);
  const std::string expression = options.fixed_strings ? RE2::QuoteMeta(pattern) : pattern;
  const RE2 alone(expression, how);
  if (!alone.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("--pattern '{}' is no regular expression: {}", pattern, alone.error()));
  }
  matcher->regex_ = std::make_unique<RE2>(fmt::format("(?m:{})", expression), how);
  if (!matcher->regex_->ok()) {
    return absl::InvalidArgumentError(
        fmt::format("--pattern '{}': {}", pattern, matcher->regex_->error()));
  }
  matcher->line_by_line_ = !options.fixed_strings && MayLookBeyondTheLine(pattern);
  return matcher;
}

void LineMatcher::Tune(std::string_view sample) {
  if (literal_) literal_->Tune(sample);
}

std::string_view LineMatcher::Next(std::string_view lines, std::size_t from) const {
  if (line_by_line_) return NextLineByLine(lines, from);
  if (!literal_) return NextByRegex(lines, from);
  const std::size_t at = literal_->Find(lines, from);
  return at == std::string_view::npos ? std::string_view() : LineAround(lines, at);
}

std::string_view LineMatcher::NextByRegex(std::string_view lines, std::size_t from) const {
  re2::StringPiece match;
  const re2::StringPiece text(lines.data(), lines.size());
  if (!regex_->Match(text, from, text.size(), RE2::UNANCHORED, &match, 1)) return {};
  return LineAround(lines, static_cast<std::size_t>(match.data() - lines.data()));
}

std::string_view LineMatcher::NextLineByLine(std::string_view lines, std::size_t from) const {
  while (from <= lines.size()) {
    const std::size_t end = std::min(lines.find('\n', from), lines.size());
    const re2::StringPiece line(lines.data() + from, end - from);
    if (regex_->Match(line, 0, line.size(), RE2::UNANCHORED, nullptr, 0))
      return lines.substr(from, end - from);
    from = end + 1;
  }
  return {};
}

}  // namespace trireme::mapreduce
