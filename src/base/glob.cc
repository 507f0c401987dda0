#include "base/glob.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "fmt/format.h"

namespace trireme::glob {
namespace {

/// A `[...]` at the front of `pattern`: its length, or 0 when it is not closed. `*matches` says
/// whether `byte` is in it.
std::size_t MatchClass(std::string_view pattern, unsigned char byte, bool* matches) {
  std::size_t at = 1;
  const bool negated = at < pattern.size() && (pattern[at] == '!' || pattern[at] == '^');
  if (negated) ++at;
  bool found = false;
  for (std::size_t first = at; at < pattern.size(); ++at) {
    if (pattern[at] == ']' && at != first) {
      *matches = found != negated;
      return at + 1;
    }
    if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
    const auto low = static_cast<unsigned char>(pattern[at]);
    auto high = low;
    if (at + 2 < pattern.size() && pattern[at + 1] == '-' && pattern[at + 2] != ']') {
      at += 2;
      if (pattern[at] == '\\' && at + 1 < pattern.size()) ++at;
      high = static_cast<unsigned char>(pattern[at]);
    }
    found |= low <= byte && byte <= high;
  }
  return 0;
}

/// How many bytes of `pattern` the single-byte matcher at its front takes, when it matches `byte`.
std::size_t MatchOne(std::string_view pattern, char byte) {
  if (pattern.empty()) return 0;
  if (pattern[0] == '?') return 1;
  if (pattern[0] == '[') {
    bool matches = false;
    const std::size_t size = MatchClass(pattern, static_cast<unsigned char>(byte), &matches);
    if (size != 0) return matches ? size : 0;
  }
  if (pattern[0] == '\\' && pattern.size() > 1) return pattern[1] == byte ? 2 : 0;
  return pattern[0] == byte ? 1 : 0;
}

/// The position of the '}' that closes the '{' at `open`, with the commas between them.
std::size_t FindClosingBrace(std::string_view pattern, std::size_t open,
                             std::vector<std::size_t>* commas) {
  int depth = 0;
  for (std::size_t i = open; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '{') {
      ++depth;
    } else if (pattern[i] == '}' && --depth == 0) {
      return i;
    } else if (pattern[i] == ',' && depth == 1) {
      commas->push_back(i);
    }
  }
  return std::string_view::npos;
}

/// The first brace at or after `from` that has alternatives; fills its commas.
std::size_t FindBrace(std::string_view pattern, std::vector<std::size_t>* commas,
                      std::size_t* close) {
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == '{') {
      commas->clear();
      *close = FindClosingBrace(pattern, i, commas);
      if (*close != std::string_view::npos && !commas->empty()) return i;
    }
  }
  return std::string_view::npos;
}

/// Whether pattern[i..] matches name[j..] or a directory above what name[j..] ends in.
bool MatchComponents(const std::vector<std::string>& pattern, std::size_t i,
                     const std::vector<std::string>& name, std::size_t j) {
  if (i == pattern.size()) {
    return std::none_of(name.begin() + static_cast<std::ptrdiff_t>(j), name.end(), Hidden);
  }
  if (pattern[i] == kAnyDepth) {
    if (MatchComponents(pattern, i + 1, name, j)) return true;
    return j < name.size() && !Hidden(name[j]) && MatchComponents(pattern, i, name, j + 1);
  }
  if (j == name.size()) return false;
  const bool same =
      HasWildcard(pattern[i]) ? MatchVisible(pattern[i], name[j]) : pattern[i] == name[j];
  return same && MatchComponents(pattern, i + 1, name, j + 1);
}

}  // namespace

bool HasWildcard(std::string_view component) {
  return component.find_first_of("*?[\\") != std::string_view::npos;
}

bool Hidden(std::string_view name) {
  return !name.empty() && (name[0] == '.' || name[0] == '_');
}

bool MatchVisible(std::string_view pattern, std::string_view name) {
  const bool spelled_out = !pattern.empty() && pattern[0] == name[0];
  return (!Hidden(name) || spelled_out) && MatchName(pattern, name);
}

std::vector<std::string> Components(std::string_view path) {
  std::vector<std::string> components;
  for (std::size_t from = 0; from < path.size();) {
    const std::size_t to = std::min(path.find('/', from), path.size());
    const std::string_view part = path.substr(from, to - from);
    if (!part.empty() && part != ".") components.emplace_back(part);
    from = to + 1;
  }
  return components;
}

std::string Normalised(std::string_view path) {
  std::string normalised;
  for (const std::string& part : Components(path)) {
    if (!normalised.empty() || path[0] == '/') normalised += '/';
    normalised += part;
  }
  return normalised.empty() && !path.empty() && path[0] == '/' ? "/" : normalised;
}

bool MatchName(std::string_view pattern, std::string_view name) {
  std::size_t p = 0, n = 0;
  std::size_t star = std::string_view::npos, star_name = 0;  // where to go on after a mismatch
  while (n < name.size() || p < pattern.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_name = n;
      continue;
    }
    const std::size_t taken = n < name.size() ? MatchOne(pattern.substr(p), name[n]) : 0;
    if (taken != 0) {
      p += taken;
      ++n;
    } else if (star != std::string_view::npos && star_name < name.size()) {
      p = star;
      n = ++star_name;
    } else {
      return false;
    }
  }
  return true;
}

absl::StatusOr<std::vector<std::string>> ExpandBraces(std::string_view pattern) {
  std::vector<std::string> done;
  std::vector<std::string> open = {std::string(pattern)};  // a stack: the next to expand is last
  while (!open.empty()) {
    const std::string next = std::move(open.back());
    open.pop_back();
    std::vector<std::size_t> commas;
    std::size_t close = 0;
    const std::size_t brace = FindBrace(next, &commas, &close);
    if (brace == std::string_view::npos) {
      done.push_back(next);
      continue;
    }
    if (done.size() + open.size() + commas.size() >= kBraceAlternativesMax) {
      return absl::InvalidArgumentError(fmt::format("the braces of '{}' stand for over {} patterns",
                                                    pattern, kBraceAlternativesMax));
    }
    commas.push_back(close);
    for (std::size_t i = commas.size(); i-- > 0;) {
      const std::size_t from = i == 0 ? brace + 1 : commas[i - 1] + 1;
      open.push_back(fmt::format("{}{}{}", next.substr(0, brace),
                                 next.substr(from, commas[i] - from), next.substr(close + 1)));
    }
  }
  return done;
}

bool PathMatcher::Matches(std::string_view path) const {
  return MatchComponents(components_, 0, Components(path), 0);
}

bool MatchPath(std::string_view pattern, std::string_view path) {
  const std::vector<std::string> name = Components(path);
  const auto absolute = [](std::string_view p) { return !p.empty() && p[0] == '/'; };
  if (Normalised(pattern) == Normalised(path)) return true;
  const auto alternatives = ExpandBraces(pattern);
  if (!alternatives.ok()) return false;
  return std::any_of(alternatives->begin(), alternatives->end(), [&](const std::string& one) {
    return absolute(one) == absolute(path) && MatchComponents(Components(one), 0, name, 0);
  });
}

}  // namespace trireme::glob
