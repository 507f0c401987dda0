#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

/// Shell patterns over paths, told from the names alone.
namespace trireme::glob {

/// More alternatives than this in one pattern are refused.
inline constexpr std::size_t kBraceAlternativesMax = 4096;
/// The component that stands for any number of directories.
inline constexpr std::string_view kAnyDepth = "**";

/// True when one name (no '/') matches a pattern of `*` (any bytes), `?` (one byte), `[a-z]`,
/// `[!a]` and `\x` (x itself). An unclosed `[` stands for itself.
bool MatchName(std::string_view pattern, std::string_view name);

/// Names that begin with '.' or '_', as in Hadoop.
bool Hidden(std::string_view name);

/// MatchName, but a hidden name matches only a pattern that spells its first character out.
bool MatchVisible(std::string_view pattern, std::string_view name);

bool HasWildcard(std::string_view component);

/// The parts of a path, without empty ones and ".".
std::vector<std::string> Components(std::string_view path);

/// The path without repeated slashes, "./" and a slash at its end.
std::string Normalised(std::string_view path);

/// The patterns without braces that `{a,b}` alternatives (nestable, may contain '/') stand for, in
/// order. A brace without a comma or a closing partner stands for itself.
absl::StatusOr<std::vector<std::string>> ExpandBraces(std::string_view pattern);

/// MatchPath's matching of one pattern without braces with many paths.
class PathMatcher {
 public:
  explicit PathMatcher(std::string_view pattern) : components_(Components(pattern)) {}
  bool Matches(std::string_view path) const;

 private:
  std::vector<std::string> components_;
};

/// Whether `path` equals `pattern`, or matches it, or lies below a directory that does, with no
/// hidden name on the way that `pattern` does not spell out.
bool MatchPath(std::string_view pattern, std::string_view path);

}  // namespace trireme::glob
