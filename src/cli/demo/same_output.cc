#include "cli/demo/same_output.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <system_error>

#include "base/status_macros.h"
#include "fmt/format.h"

namespace trireme::demo {
namespace {

namespace fs = std::filesystem;

absl::StatusOr<std::vector<std::string>> Names(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator at(directory, error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  if (error) {
    return absl::InternalError(fmt::format("cannot list {}: {}", directory, error.message()));
  }
  std::ranges::sort(names);
  return names;
}

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

absl::StatusOr<OutputSize> SameOutput(const std::string& one, const std::string& other) {
  TRIREME_ASSIGN_OR_RETURN(const auto names, Names(one));
  TRIREME_ASSIGN_OR_RETURN(const auto others, Names(other));
  if (names != others) {
    return absl::InternalError(fmt::format("{} and {} hold different files", one, other));
  }
  OutputSize size{names.size(), 0};
  for (const std::string& name : names) {
    const std::string bytes = ReadAll(one + "/" + name);
    if (bytes != ReadAll(other + "/" + name)) {
      return absl::InternalError(fmt::format("{}/{} and {}/{} differ", one, name, other, name));
    }
    size.bytes += bytes.size();
  }
  return size;
}

std::vector<std::pair<std::uint64_t, std::string>> Greatest(const std::string& output,
                                                            std::size_t count) {
  std::vector<std::pair<std::uint64_t, std::string>> found;
  const auto names = Names(output);
  for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
    std::ifstream file(output + "/" + name, std::ios::binary);
    for (std::string line; std::getline(file, line);) {
      const std::size_t tab = line.find('\t');
      if (tab == std::string::npos) continue;
      std::uint64_t number = 0;
      std::from_chars(line.data() + tab + 1, line.data() + line.size(), number);
      found.emplace_back(number, line.substr(0, tab));
    }
  }
  std::ranges::sort(found, std::greater());
  found.resize(std::min(found.size(), count));
  return found;
}

}  // namespace trireme::demo
