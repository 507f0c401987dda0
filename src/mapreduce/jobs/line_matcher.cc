#include "mapreduce/jobs/line_matcher.h"

#include <algorithm>
#include <cctype>

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

/// Literals shorter than this are no help in finding a match.
constexpr std::size_t kRequiredBytesMin = 3;

/// Skips a bracketed class that begins at `at`; npos for what is not understood.
std::size_t SkipClass(std::string_view pattern, std::size_t at) {
  std::size_t end = at + 1;
  if (end < pattern.size() && pattern[end] == '^') ++end;
  if (end < pattern.size() && pattern[end] == ']') ++end;
  for (; end < pattern.size() && pattern[end] != ']'; ++end) {
    if (pattern[end] == '[') return std::string_view::npos;
    if (pattern[end] == '\\') ++end;
  }
  return end < pattern.size() ? end : std::string_view::npos;
}

/// The longest text that every match of an expression contains, as far as it is plain to see; empty
/// when there is none, or the expression has groups, alternatives or rarer escapes.
std::string RequiredLiteral(std::string_view pattern) {
  std::string best, run;
  const auto end_run = [&] {
    if (run.size() > best.size()) best = run;
    run.clear();
  };
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    const char byte = pattern[i];
    if (byte == '(' || byte == ')' || byte == '|') return {};
    if (byte == '*' || byte == '?' || byte == '{') {
      if (!run.empty()) run.pop_back();
      end_run();
      if (byte == '{') i = std::min(pattern.find('}', i), pattern.size());
    } else if (byte == '\\') {
      const std::string_view next = pattern.substr(++i, 1);
      if (next.empty()) return {};
      if (std::ispunct(static_cast<unsigned char>(next[0])) != 0) {
        run += next;
      } else if (std::string_view("bBdDsSwW").find(next[0]) != std::string_view::npos) {
        end_run();
      } else {
        return {};
      }
    } else if (byte == '[') {
      end_run();
      i = SkipClass(pattern, i);
      if (i == std::string_view::npos) return {};
    } else if (byte == '.' || byte == '^' || byte == '$' || byte == '+' ||
               static_cast<unsigned char>(byte) >= 0x80) {
      end_run();
    } else {
      run += byte;
    }
  }
  end_run();
  return best.size() < kRequiredBytesMin ? std::string() : best;
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
  if (const std::string required = RequiredLiteral(pattern);
      !required.empty() && !options.ignore_case && !options.fixed_strings) {
    matcher->required_.emplace(required);
  }
  matcher->line_by_line_ = !options.fixed_strings && MayLookBeyondTheLine(pattern);
  return matcher;
}

void LineMatcher::Tune(std::string_view sample) {
  if (literal_) literal_->Tune(sample);
  if (!required_) return;
  required_->Tune(sample);
  // Where candidates are common, it is faster to run the expression over the text at once.
  search_required_ = sample.find(required_->literal()) == std::string_view::npos;
}

std::string_view LineMatcher::Next(std::string_view lines, std::size_t from) const {
  if (line_by_line_) return NextLineByLine(lines, from);
  if (search_required_) return NextByRequired(lines, from);
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

std::string_view LineMatcher::NextByRequired(std::string_view lines, std::size_t from) const {
  for (;;) {
    const std::size_t at = required_->Find(lines, from);
    if (at == std::string_view::npos) return {};
    const std::string_view line = LineAround(lines, at);
    if (MatchesLine(line)) return line;
    from = static_cast<std::size_t>(line.data() + line.size() - lines.data());
  }
}

bool LineMatcher::MatchesLine(std::string_view line) const {
  const re2::StringPiece text(line.data(), line.size());
  return regex_->Match(text, 0, text.size(), RE2::UNANCHORED, nullptr, 0);
}

std::string_view LineMatcher::NextLineByLine(std::string_view lines, std::size_t from) const {
  while (from <= lines.size()) {
    const std::size_t end = std::min(lines.find('\n', from), lines.size());
    const std::string_view line = lines.substr(from, end - from);
    if (MatchesLine(line)) return line;
    from = end + 1;
  }
  return {};
}

}  // namespace trireme::mapreduce
