#include "io/memory.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <string_view>

namespace trireme::io {
namespace {

constexpr std::uint64_t kNoLimit = std::numeric_limits<std::uint64_t>::max();

/// What the file says; "max", nonsense and no file are no limit.
std::uint64_t ReadLimit(const std::string& path) {
  std::ifstream in(path);
  std::string text;
  if (!(in >> text)) return kNoLimit;
  std::uint64_t limit = kNoLimit;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
  return error == std::errc() && end == text.data() + text.size() ? limit : kNoLimit;
}

/// The least limit of `group` and of those it lies in: each holds for all below it. The path may be
/// one of the host's that this container does not see; its own group is then the root here.
std::uint64_t LeastLimit(const std::string& mount, std::string group, const char* file) {
  std::uint64_t least = kNoLimit;
  for (;;) {
    least = std::min(least, ReadLimit(mount + group + "/" + file));
    const std::size_t slash = group.rfind('/');
    if (slash == std::string::npos) return least;
    group.resize(slash);
  }
}

/// Whether `controllers`, a comma-separated list, has the memory controller.
bool HasMemory(std::string_view controllers) {
  while (!controllers.empty()) {
    const std::size_t comma = std::min(controllers.find(','), controllers.size());
    if (controllers.substr(0, comma) == "memory") return true;
    controllers.remove_prefix(std::min(comma + 1, controllers.size()));
  }
  return false;
}

/// One line of /proc/self/cgroup: "number:controllers:path", the controllers empty for version 2.
std::uint64_t LimitOf(const std::string& line, const std::string& root) {
  const std::size_t first = line.find(':');
  const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
  if (second == std::string::npos) return kNoLimit;
  const std::string controllers = line.substr(first + 1, second - first - 1);
  std::string group = line.substr(second + 1);
  if (group == "/") group.clear();
  const std::string mount = root + "/sys/fs/cgroup";
  if (controllers.empty()) {
    return std::min(LeastLimit(mount, group, "memory.max"),
                    LeastLimit(mount + "/unified", group, "memory.max"));
  }
  if (!HasMemory(controllers)) return kNoLimit;
  return LeastLimit(mount + "/memory", group, "memory.limit_in_bytes");
}

}  // namespace

std::uint64_t UsableMemoryBytes(const std::string& root) {
  std::uint64_t least = static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) *
                        static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) least = std::min(least, LimitOf(line, root));
  return least;
}

}  // namespace trireme::io
