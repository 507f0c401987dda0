#include "mapreduce/fs/glob.h"

#include <algorithm>
#include <utility>

#include "base/glob.h"
#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::mapreduce {
namespace {

using Kind = io::FileStat::Kind;

std::string Join(const std::string& directory, const std::string& name) {
  if (directory.empty() || directory == "/") return directory + name;
  return fmt::format("{}/{}", directory, name);
}

/// Expands one argument after the other into files.
class Expander {
 public:
  explicit Expander(io::FileSystem& files) : files_(files) {}

  absl::Status Add(const std::string& argument) {
    argument_ = argument;
    matched_ = false;
    if (argument.empty()) return absl::InvalidArgumentError("an input is '': name a file");
    if (io::IsObjectPath(argument)) return AddObjects(argument);
    const absl::StatusOr<io::FileStat> literal = files_.Stat(argument);
    if (literal.ok()) return AddFound(glob::Normalised(argument), *literal, /*named=*/true);
    if (!absl::IsNotFound(literal.status())) return Unreadable(literal.status());
    TRIREME_ASSIGN_OR_RETURN(const std::vector<std::string> patterns, glob::ExpandBraces(argument));
    for (const std::string& pattern : patterns) TRIREME_RETURN_IF_ERROR(AddPattern(pattern));
    if (matched_) return absl::OkStatus();
    return absl::NotFoundError(fmt::format(
        "no file matches '{}': check the path, or quote a pattern for the shell", argument));
  }

  std::vector<io::FileInfo> Take() {
    std::sort(found_.begin(), found_.end(),
              [](const auto& a, const auto& b) { return a.path < b.path; });
    found_.erase(std::unique(found_.begin(), found_.end(),
                             [](const auto& a, const auto& b) { return a.path == b.path; }),
                 found_.end());
    return std::move(found_);
  }

 private:
  absl::Status Unreadable(const absl::Status& status) const {
    return absl::Status(status.code(), fmt::format("cannot read input '{}': {}", argument_,
                                                   std::string(status.message())));
  }

  /// Where names are flat, one listing of what all matches have in common serves a pattern.
  absl::Status AddObjects(const std::string& argument) {
    const absl::StatusOr<io::FileStat> literal = files_.Stat(argument);
    if (literal.ok() && literal->kind == Kind::kFile) return Keep({argument, literal->size_bytes});
    if (literal.ok()) return AddAllBelow(argument + (argument.back() == '/' ? "" : "/"));
    if (!absl::IsNotFound(literal.status())) return Unreadable(literal.status());
    TRIREME_ASSIGN_OR_RETURN(const std::vector<std::string> patterns, glob::ExpandBraces(argument));
    for (const std::string& pattern : patterns) {
      const std::size_t wildcard = std::min(pattern.find_first_of("*?[\\"), pattern.size());
      TRIREME_RETURN_IF_ERROR(AddMatching(pattern, pattern.substr(0, wildcard)));
    }
    if (matched_) return absl::OkStatus();
    return absl::NotFoundError(fmt::format(
        "no object matches '{}': check the name, or quote a pattern for the shell", argument));
  }

  absl::Status AddAllBelow(const std::string& prefix) {
    matched_ = true;
    return AddIf(prefix, [&](std::string_view path) {
      const std::vector<std::string> names = glob::Components(path.substr(prefix.size()));
      return std::none_of(names.begin(), names.end(), glob::Hidden);
    });
  }

  absl::Status AddMatching(const std::string& pattern, const std::string& prefix) {
    const glob::PathMatcher matcher(pattern);
    return AddIf(prefix, [&](std::string_view path) { return matcher.Matches(path); });
  }

  template <typename Wanted>
  absl::Status AddIf(const std::string& prefix, Wanted wanted) {
    absl::Status full;
    const absl::Status visited = files_.VisitPrefix(prefix, [&](io::FileInfo file) {
      if (wanted(file.path)) full = Keep(std::move(file));
      return full;
    });
    return visited.ok() || !full.ok() ? visited : Unreadable(visited);
  }

  absl::Status AddPattern(const std::string& pattern) {
    const std::vector<std::string> components = glob::Components(pattern);
    return Walk(pattern[0] == '/' ? "/" : "", components, 0);
  }

  /// Matches components[at..] below `directory` ("" is the current one).
  absl::Status Walk(const std::string& directory, const std::vector<std::string>& components,
                    std::size_t at) {
    std::string path = directory;
    while (at < components.size() && !glob::HasWildcard(components[at])) {
      path = Join(path, components[at++]);
    }
    const absl::StatusOr<io::FileStat> stat = files_.Stat(path.empty() ? "." : path);
    if (absl::IsNotFound(stat.status())) return absl::OkStatus();
    if (!stat.ok()) return Unreadable(stat.status());
    if (at == components.size()) return AddFound(path, *stat, /*named=*/true);
    if (stat->kind != Kind::kDirectory) return absl::OkStatus();
    if (components[at] == glob::kAnyDepth) return WalkAnyDepth(path, *stat, components, at);
    return WalkMatching(path, components, at);
  }

  absl::Status WalkMatching(const std::string& path, const std::vector<std::string>& components,
                            std::size_t at) {
    TRIREME_ASSIGN_OR_RETURN(const auto entries, List(path));
    const bool last = at + 1 == components.size();
    for (const io::DirectoryEntry& entry : entries) {
      if (!glob::MatchVisible(components[at], entry.name)) continue;
      const std::string below = Join(path, entry.name);
      if (last) {
        TRIREME_RETURN_IF_ERROR(AddFound(below, entry.stat, /*named=*/false));
      } else if (entry.stat.kind == Kind::kDirectory) {
        TRIREME_RETURN_IF_ERROR(Walk(below, components, at + 1));
      }
    }
    return absl::OkStatus();
  }

  absl::Status WalkAnyDepth(const std::string& path, const io::FileStat& stat,
                            const std::vector<std::string>& components, std::size_t at) {
    if (at + 1 == components.size()) return AddDirectory(path, stat);
    TRIREME_RETURN_IF_ERROR(Walk(path, components, at + 1));
    return ForEachBelow(path, stat, [&](const std::string& below, const io::FileStat& kind) {
      if (kind.kind != Kind::kDirectory) return absl::OkStatus();
      return WalkAnyDepth(below, kind, components, at);
    });
  }

  absl::Status AddFound(const std::string& path, const io::FileStat& stat, bool named) {
    if (stat.kind == Kind::kDirectory) return AddDirectory(path, stat);
    if (stat.kind == Kind::kFile) return AddFile(path, stat.size_bytes);
    const bool broken = stat.kind == Kind::kBrokenLink;
    return absl::InvalidArgumentError(fmt::format(
        "input '{}'{} {}: {}", path, path == argument_ ? "" : fmt::format(" (of '{}')", argument_),
        broken ? "is a link that leads nowhere"
               : "is a pipe, a socket or a device, which cannot be read in pieces",
        named && !broken ? "write it to a file first"
                         : "mend or remove it, or name the others by a pattern"));
  }

  absl::Status AddDirectory(const std::string& path, const io::FileStat& stat) {
    matched_ = true;
    return ForEachBelow(path, stat, [&](const std::string& below, const io::FileStat& kind) {
      return AddFound(below, kind, /*named=*/false);
    });
  }

  absl::Status Keep(io::FileInfo file) {
    if (found_.size() == kInputFilesMax) {
      return absl::ResourceExhaustedError(fmt::format(
          "input '{}' leads to more than {} files: name fewer, or pack them into larger ones",
          argument_, kInputFilesMax));
    }
    matched_ = true;
    found_.push_back(std::move(file));
    return absl::OkStatus();
  }

  absl::Status AddFile(const std::string& path, std::uint64_t size_bytes) {
    const auto opened = files_.Open(path);
    if (!opened.ok()) return Unreadable(opened.status());
    if (size_bytes == 0) TRIREME_RETURN_IF_ERROR(CheckEmpty(path, **opened));
    return Keep({path, size_bytes});
  }

  /// Files of /proc have bytes and no size; planned by size, they would be read as empty.
  absl::Status CheckEmpty(const std::string& path, const io::ReadableFile& file) {
    char byte;
    const absl::StatusOr<std::size_t> read = file.ReadAt(0, &byte, 1);
    if (!read.ok()) return Unreadable(read.status());
    if (*read == 0) return absl::OkStatus();
    return absl::InvalidArgumentError(fmt::format(
        "input '{}' has contents but no size (as the files of /proc): copy it to a file first",
        path));
  }

  absl::StatusOr<std::vector<io::DirectoryEntry>> List(const std::string& path) {
    auto entries = files_.List(path.empty() ? "." : path);
    if (!entries.ok()) return Unreadable(entries.status());
    return entries;
  }

  /// Calls `visit` for the visible names of a directory, unless the directory lies within itself.
  template <typename Visit>
  absl::Status ForEachBelow(const std::string& path, const io::FileStat& stat, Visit visit) {
    if (!stat.identity.empty() &&
        std::find(above_.begin(), above_.end(), stat.identity) != above_.end())
      return absl::OkStatus();
    if (above_.size() == kDirectoryDepthMax) {
      return absl::InvalidArgumentError(fmt::format(
          "input '{}': {} lies deeper than {} directories: name it by a pattern of its own",
          argument_, path, kDirectoryDepthMax));
    }
    TRIREME_ASSIGN_OR_RETURN(const auto entries, List(path));
    above_.push_back(stat.identity);
    for (const io::DirectoryEntry& entry : entries) {
      if (glob::Hidden(entry.name)) continue;
      TRIREME_RETURN_IF_ERROR(visit(Join(path, entry.name), entry.stat));
    }
    above_.pop_back();
    return absl::OkStatus();
  }

  io::FileSystem& files_;
  std::string argument_;            // being expanded, for messages
  bool matched_ = false;            // argument_ led to a file or a directory
  std::vector<std::string> above_;  // identities of the directories being walked
  std::vector<io::FileInfo> found_;
};

}  // namespace

absl::StatusOr<std::vector<io::FileInfo>> ExpandInputs(io::FileSystem& files,
                                                       const std::vector<std::string>& arguments) {
  Expander expander(files);
  for (const std::string& argument : arguments) TRIREME_RETURN_IF_ERROR(expander.Add(argument));
  return expander.Take();
}

}  // namespace trireme::mapreduce
